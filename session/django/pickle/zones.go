package pickle

import (
	"errors"
	"sync"
	"time"
)

// zones are the zones that were loaded, by their keys. There are as many as the time zone
// database has.
var zones sync.Map

var errZone = errors.New("no zone")

// location returns a zone of the time zone database.
func location(key string) (*time.Location, error) {
	if zone, ok := zones.Load(key); ok {
		return zone.(*time.Location), nil
	}
	if key == "" || key == "Local" || len(key) > 64 { // which are not in the database
		return nil, errZone
	}
	zone, err := time.LoadLocation(key)
	if err == nil {
		zones.Store(key, zone)
	}
	return zone, err
}
