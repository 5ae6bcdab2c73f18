package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The bounds of the keys with a "*" under routes. A route's name is compared with each of them
// once, see worker.routes.
const (
	maxGlobs    = 1000
	maxGlobSize = 512 // bytes
)

// IsGlob reports whether a key under routes is a pattern.
func IsGlob(key string) bool { return strings.Contains(key, "*") }

// Matches reports whether a key under routes holds for a name. A "*" at the key's end matches any
// text; elsewhere it matches any text without a "/". No other character is special.
func Matches(key, name string) bool {
	for {
		part, rest, more := strings.Cut(key, "/")
		segment, after, longer := strings.Cut(name, "/")
		switch {
		case !matchesSegment(part, segment):
			return false
		case !more:
			return !longer || strings.HasSuffix(part, "*")
		case !longer:
			return false
		}
		key, name = rest, after
	}
}

// matchesSegment reports whether a pattern without "/" matches a text without "/".
func matchesSegment(pattern, text string) bool {
	before, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == text
	}
	if text, ok = strings.CutPrefix(text, before); !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		rest, text = after, text[at+len(part):]
	}
}

// Overlap reports whether there is a name that both keys hold for.
func Overlap(a, b string) bool {
	for {
		partA, restA, moreA := strings.Cut(a, "/")
		partB, restB, moreB := strings.Cut(b, "/")
		switch {
		case !overlapSegments(partA, partB):
			return false
		case !moreA && !moreB:
			return true
		case !moreA:
			return strings.HasSuffix(partA, "*")
		case !moreB:
			return strings.HasSuffix(partB, "*")
		}
		a, b = restA, restB
	}
}

// overlapSegments is Overlap for patterns without "/".
func overlapSegments(a, b string) bool {
	row := make([]bool, len(b)+1) // of a[i:] and each b[j:]: whether there is a text that both match
	for i := len(a); i >= 0; i-- {
		diagonal := row[len(b)] // of a[i+1:] and b[j+1:]
		row[len(b)] = strings.Trim(a[i:], "*") == ""
		for j := len(b) - 1; j >= 0; j-- {
			below := row[j] // of a[i+1:] and b[j:]
			switch {
			case i == len(a):
				row[j] = b[j] == '*' && row[j+1]
			case a[i] == '*' || b[j] == '*':
				row[j] = below || row[j+1]
			default:
				row[j] = a[i] == b[j] && diagonal
			}
			diagonal = below
		}
	}
	return row[0]
}

// glob is a key under routes with a "*".
type glob struct {
	key   string
	route *Route
}

// prefix is the text before the first "*".
func (g glob) prefix() string {
	before, _, _ := strings.Cut(g.key, "*")
	return before
}

// literals is the number of characters that are no "*".
func (g glob) literals() int { return len(g.key) - strings.Count(g.key, "*") }

// before orders patterns: the one with the longer prefix comes first, then the one with more
// literal characters.
func (g glob) before(h glob) int {
	return cmp.Or(len(h.prefix())-len(g.prefix()), h.literals()-g.literals())
}

// globsOf returns the patterns among the keys, in the order in which they are tried. Two that
// could hold for one name with neither before the other are an error.
func globsOf(routes map[string]*Route) ([]glob, error) {
	var globs []glob
	var errs []error
	for _, key := range sortedKeys(routes) {
		switch {
		case !IsGlob(key):
			continue
		case strings.Contains(key, "**"):
			errs = append(errs, fmt.Errorf("routes.%s: has two * in a row; one at the end matches any text, elsewhere any text without a /", key))
		case len(key) > maxGlobSize:
			errs = append(errs, fmt.Errorf("routes.%s…: a key with a * can have %d bytes at most", key[:32], maxGlobSize))
		}
		globs = append(globs, glob{key, routes[key]})
	}
	if len(globs) > maxGlobs {
		return nil, fmt.Errorf("routes: %d keys with a * are more than the %d that can be", len(globs), maxGlobs)
	}
	slices.SortStableFunc(globs, glob.before)
	for i, g := range globs {
		for _, h := range globs[i+1:] {
			if g.before(h) != 0 {
				break
			}
			if g.prefix() == h.prefix() && Overlap(g.key, h.key) {
				errs = append(errs, fmt.Errorf("routes.%s and routes.%s hold for the same names, and neither is more specific: lengthen the text before the first * of one, or name the routes", g.key, h.key))
			}
		}
	}
	return globs, errors.Join(errs...)
}
