package rawjson

// MergePatch applies a merge patch (RFC 7396) to target, and returns the result: members keep
// their order and the text of their values, new ones come last. Both must be texts that Object or
// Decode has accepted; target may be empty, for no value.
func MergePatch(target, patch string) string {
	return string(appendMerged(nil, target, patch))
}

func appendMerged(dst []byte, target, patch string) []byte {
	changes, err := Object(patch, nil)
	if err != nil {
		return append(dst, patch...)
	}
	before, err := Object(target, nil)
	if err != nil {
		before = nil
	}
	values := make(map[string]string, len(changes))
	for _, m := range changes {
		values[m.Name] = m.Value
	}
	dst = append(dst, '{')
	first := len(dst)
	member := func(name string) {
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
	}
	for _, m := range before {
		value, changed := values[m.Name]
		delete(values, m.Name)
		switch {
		case !changed:
			member(m.Name)
			dst = append(dst, m.Value...)
		case value != "null":
			member(m.Name)
			dst = appendMerged(dst, m.Value, value)
		}
	}
	for _, m := range changes {
		if _, isNew := values[m.Name]; isNew && m.Value != "null" {
			member(m.Name)
			dst = appendMerged(dst, "", m.Value)
		}
	}
	return append(dst, '}')
}
