package pickle

import (
	"fmt"
	"strconv"
	"time"
)

// timedelta is a datetime.timedelta.
type timedelta struct{ days, seconds, micros int }

// timedeltaOf returns datetime.timedelta(days, seconds, microseconds), in its normal form.
func timedeltaOf(args []Value) (d timedelta, ok bool) {
	if len(args) != 3 {
		return d, false
	}
	d.days, ok = small(args[0], -999_999_999, 999_999_999)
	seconds, also := small(args[1], 0, 86_399)
	micros, third := small(args[2], 0, 999_999)
	d.seconds, d.micros = seconds, micros
	return d, ok && also && third
}

func small(v Value, least, most int) (n int, ok bool) {
	digits, ok := v.(Int)
	n, err := strconv.Atoi(string(digits))
	return n, ok && err == nil && n >= least && n <= most
}

// abs returns the absolute value of a timedelta, and whether it is negative.
func (d timedelta) abs() (_ timedelta, negative bool) {
	if d.days >= 0 {
		return d, false
	}
	micros := -d.micros
	seconds := -d.seconds
	if micros < 0 {
		micros, seconds = micros+1e6, seconds-1
	}
	days := -d.days
	if seconds < 0 {
		seconds, days = seconds+86_400, days-1
	}
	return timedelta{days, seconds, micros}, true
}

// timedeltaText returns the text of duration_iso_string (django.utils.duration).
func timedeltaText(args []Value) (Value, bool) {
	d, ok := timedeltaOf(args)
	if !ok {
		return nil, false
	}
	sign := ""
	d, negative := d.abs()
	if negative {
		sign = "-"
	}
	fraction := ""
	if d.micros != 0 {
		fraction = fmt.Sprintf(".%06d", d.micros)
	}
	return Str(fmt.Sprintf("%sP%dDT%02dH%02dM%02d%sS", sign, d.days, d.seconds/3600, d.seconds/60%60, d.seconds%60, fraction)), true
}

// offsetText returns the offset of a zone as isoformat writes it.
func offsetText(d timedelta) string {
	sign := "+"
	d, negative := d.abs()
	if negative {
		sign = "-"
	}
	text := fmt.Sprintf("%s%02d:%02d", sign, d.seconds/3600, d.seconds/60%60)
	if d.seconds%60 != 0 || d.micros != 0 {
		text += fmt.Sprintf(":%02d", d.seconds%60)
	}
	if d.micros != 0 {
		text += fmt.Sprintf(".%06d", d.micros)
	}
	return text
}

// timezoneOf returns the offset of datetime.timezone(timedelta) and datetime.timezone(timedelta,
// name).
func timezoneOf(args []Value) (offset timedelta, ok bool) {
	if len(args) != 1 && len(args) != 2 {
		return offset, false
	}
	d, ok := args[0].(*Object)
	if !ok || len(d.steps) > 0 {
		return offset, false
	}
	offset, ok = timedeltaOf(d.call("datetime.timedelta"))
	return offset, ok && (offset.days == 0 || offset.days == -1 && (offset.seconds > 0 || offset.micros > 0))
}

// timezoneText returns the text of timezone.__str__.
func timezoneText(args []Value) (Value, bool) {
	offset, ok := timezoneOf(args)
	switch {
	case !ok:
		return nil, false
	case len(args) == 2:
		name, isText := args[1].(Str)
		return name, isText
	case offset == timedelta{}:
		return Str("UTC"), true
	}
	return Str("UTC" + offsetText(offset)), true
}

// clock returns the text of a time of day in datetime's binary form: hour, minute, second,
// microsecond. DjangoJSONEncoder truncates it to milliseconds.
func clock(state Bytes) (text string, ok bool) {
	hour, minute, second := state[0], state[1], state[2]
	micros := int(state[3])<<16 | int(state[4])<<8 | int(state[5])
	text = fmt.Sprintf("%02d:%02d:%02d", hour, minute, second)
	if micros != 0 {
		text += fmt.Sprintf(".%03d", micros/1000)
	}
	return text, hour < 24 && minute < 60 && second < 60 && micros < 1e6
}

// day returns a date in datetime's binary form: year, month, day.
func day(state Bytes) (at time.Time, ok bool) {
	year, month, day := int(state[0])<<8|int(state[1]), time.Month(state[2]), int(state[3])
	at = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return at, year >= 1 && year <= 9999 && at.Month() == month && at.Day() == day
}

func dateText(args []Value) (Value, bool) {
	if len(args) != 1 {
		return nil, false
	}
	state, ok := plain(args[0]).(Bytes)
	if !ok || len(state) != 4 {
		return nil, false
	}
	at, ok := day(state)
	return Str(at.Format(time.DateOnly)), ok
}

// fold is the bit by which datetime marks a time as the second of two with the same text.
const fold = 0x80

// timeText returns the text of a time without a zone: DjangoJSONEncoder rejects those with one.
func timeText(args []Value) (Value, bool) {
	if len(args) != 1 {
		return nil, false
	}
	state, ok := plain(args[0]).(Bytes)
	if !ok || len(state) != 6 {
		return nil, false
	}
	text, ok := clock(Bytes(string(state[0]&^fold)) + state[1:])
	return Str(text), ok
}

// datetimeText returns the text of a datetime without a zone, with a timezone or with a ZoneInfo.
func (s *settler) datetimeText(o *Object) (Value, bool) {
	args := items(o.args)
	if o.form != reduce || len(o.steps) > 0 || len(args) != 1 && len(args) != 2 {
		return nil, false
	}
	state, ok := plain(args[0]).(Bytes)
	if !ok || len(state) != 10 {
		return nil, false
	}
	folded := state[2]&fold != 0
	at, ok := day(state[:2] + Bytes(string(rune(state[2]&^fold))) + state[3:4])
	text, also := clock(state[4:])
	if !ok || !also {
		return nil, false
	}
	text = at.Format(time.DateOnly) + "T" + text
	if len(args) == 1 {
		return Str(text), true
	}
	zone, ok := args[1].(*Object)
	if !ok || len(zone.steps) > 0 {
		return nil, false
	}
	offset, ok := timezoneOf(zone.call("datetime.timezone"))
	if !ok {
		local := at.Unix() + int64(state[4])*3600 + int64(state[5])*60 + int64(state[6])
		if offset, ok = s.zoneOffset(zone, local, folded); !ok {
			return nil, false
		}
	}
	if suffix := offsetText(offset); suffix != "+00:00" {
		return Str(text + suffix), true
	}
	return Str(text + "Z"), true
}

// zoneKey returns the text of ZoneInfo.__str__ for a zone that was made from its key.
func zoneKey(args []Value) (Value, bool) {
	if len(args) != 2 {
		return nil, false
	}
	key, ok := args[0].(Str)
	return key, ok
}

// maxZones bounds how many zones that are not found a pickle may name.
const maxZones = 8

// zoneOffset returns the offset of a ZoneInfo at a local time, in seconds since 1970
// (PEP 495).
func (s *settler) zoneOffset(zone *Object, local int64, folded bool) (d timedelta, ok bool) {
	args := items(zone.args)
	if pathOf(zone.fn) != "zoneinfo.ZoneInfo._unpickle" || len(args) != 2 || s.zones > maxZones {
		return d, false
	}
	key, ok := args[0].(Str)
	if !ok {
		return d, false
	}
	location, err := location(string(key))
	if err != nil {
		s.zones++
		return d, false
	}
	seconds := offsetAt(location, local, folded)
	if d.seconds = seconds; seconds < 0 {
		d = timedelta{-1, seconds + 86_400, 0}
	}
	return d, true
}

// offsetAt returns the offset of a zone at a local time. If that time occurs twice, it is the
// first, unless folded. If it does not occur, the offset is the one before the gap, or after it if
// folded.
func offsetAt(zone *time.Location, local int64, folded bool) int {
	at := func(unix int64) int {
		_, offset := time.Unix(unix, 0).In(zone).Zone()
		return offset
	}
	const most = 86_400 // larger than any offset, and shorter than the time between two changes
	before, after := at(local-most), at(local+most)
	fits := func(offset int) bool { return at(local-int64(offset)) == offset }
	switch {
	case fits(before) && fits(after), !fits(before) && !fits(after):
		if folded {
			return after
		}
		return before
	case fits(after):
		return after
	}
	return before
}
