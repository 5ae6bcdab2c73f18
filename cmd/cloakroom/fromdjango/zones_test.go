package fromdjango

import (
	"strings"
	"testing"
)

// local is a project with USE_TZ = False.
func local(zone string) string {
	return strings.Replace(head, "USE_TZ = True", "USE_TZ = False\nTIME_ZONE = '"+zone+"'", 1)
}

func TestZones(t *testing.T) {
	const zone = "time_zone=Europe/Berlin"
	berlin := local("Europe/Berlin")
	all(t, []row{
		{name: "PostgreSQL", settings: berlin + postgres, want: []string{"--store postgres://me@db.test:5433/app?" + zone + "\n"}},
		{name: "cache", settings: berlin + sqlite + redis + engine + "cache'", want: []string{"?key_prefix=pre+fix&version=7&" + zone + " --accounts sqlite://$DIR/db.sqlite3\n"}},
		{name: "cached_db", settings: berlin + postgres + redis + engine + "cached_db'", want: []string{"--store cached+postgres://me@db.test:5433/app?" + zone + " redis://"}},
		{name: "file", settings: berlin + sqlite + engine + "file'", want: []string{"&prefix=sessionid&" + zone + " "}},
		{name: "signed cookies", settings: berlin + engine + "signed_cookies'\n", want: []string{"note USE_TZ is False: services cannot change"}},
		{name: "with zones", settings: head + postgres, not: []string{"time_zone", "USE_TZ"}},
	})
}
