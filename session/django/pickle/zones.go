package pickle

import (
	"errors"
	"sync"
	"time"
)

// zones caches the time zones that were loaded, by key. The time zone database bounds their
// number.
var zones sync.Map

var errZone = errors.New("no zone")

// location returns a zone of the time zone database.
func location(key string) (*time.Location, error) {
	if zone, ok := zones.Load(key); ok {
		return zone.(*time.Location), nil
	}
	if key == "" || key == "Local" || len(key) > 64 { // these are not in the database
		return nil, errZone
	}
	zone, err := time.LoadLocation(key)
	if err == nil {
		zones.Store(key, zone)
	}
	return zone, err
}
