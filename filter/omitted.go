package filter

import (
	"cmp"
	"slices"

	"cloakroom/filter/config"
	"cloakroom/session/rawjson"
)

// maxOmittedBytes bounds the list; "*" is in it where it is not complete.
const maxOmittedBytes = 512

// fit returns the carried members that have room, the smallest before others but in the order of
// data, and the keys of those left out.
func fit(id *config.Identity, data []rawjson.Member) (fitting []rawjson.Member, omitted []string) {
	carried := make([]rawjson.Member, 0, len(data)) // of its own: data stays on the caller's stack
	for _, m := range data {
		if carries(id, m.Name) {
			carried = append(carried, m)
		}
	}
	slices.SortStableFunc(carried, func(a, b rawjson.Member) int { return cmp.Compare(len(a.Name)+len(a.Value), len(b.Name)+len(b.Value)) })
	var line []byte
	n := 0
	for ; n < len(carried); n++ {
		if line = appendData(id, line[:0], carried[:n+1]); len(line) > id.DataMaxBytes {
			break
		}
	}
	for _, m := range carried[n:] {
		omitted = append(omitted, m.Name)
	}
	for _, m := range data {
		if carries(id, m.Name) && !slices.Contains(omitted, m.Name) {
			fitting = append(fitting, m)
		}
	}
	return fitting, omitted
}

// omittedEdit returns the edit that lists keys that have no room: none where there are none, or no
// header for it.
func omittedEdit(id *config.Identity, keys []string) []Edit {
	if len(keys) == 0 || id.DataHeader == "" {
		return nil
	}
	return []Edit{{Set, id.DataHeader + config.OmittedSuffix, omittedText(keys)}}
}

// omittedText returns the value of the header that lists keys.
func omittedText(keys []string) string {
	line := []byte{'['}
	for i, key := range keys {
		if i > 0 {
			line = append(line, ',')
		}
		if len(line)+6*len(key) > maxOmittedBytes {
			line = append(line, `"*"`...)
			break
		}
		line = rawjson.AppendASCII(line, string(rawjson.AppendString(nil, key)))
	}
	return string(append(line, ']'))
}
