//go:build !wasip1

package upstreamgo

import "time"

// Now is time.Now.
func Now() time.Time { return time.Now() }
