//go:build !wasip1

package main

import "time"

func now() time.Time { return time.Now() }
