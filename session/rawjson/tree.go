package rawjson

import "strconv"

// Decode decodes a text into a tree of map[string]any, []any, string, float64, bool and nil, for
// configuration, where speed does not matter.
func Decode(text string) (any, error) {
	s := scanner{text: text}
	if err := s.begin(); err != nil {
		return nil, err
	}
	start := s.at
	if err := s.value(); err != nil {
		return nil, err
	}
	raw := s.text[start:s.at]
	if err := s.end(); err != nil {
		return nil, err
	}
	return tree(raw)
}

// tree returns the tree of a value whose syntax has been checked.
func tree(raw string) (any, error) {
	switch raw[0] {
	case '{':
		members, err := Object(raw, nil)
		if err != nil {
			return nil, err
		}
		object := make(map[string]any, len(members))
		for _, m := range members {
			if object[m.Name], err = tree(m.Value); err != nil {
				return nil, err
			}
		}
		return object, nil
	case '[':
		list := []any{}
		s := scanner{text: raw}
		more, err := s.open('[', ']')
		for more && err == nil {
			start := s.at
			if err = s.value(); err != nil {
				break
			}
			item, broken := tree(s.text[start:s.at])
			if broken != nil {
				return nil, broken
			}
			list = append(list, item)
			more, err = s.next(']')
		}
		return list, err
	case '"':
		text, _ := String(raw)
		return text, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case 'n':
		return nil, nil
	}
	number, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return nil, ErrSyntax
	}
	return number, nil
}
