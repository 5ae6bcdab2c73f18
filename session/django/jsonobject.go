package django

// member is where one member of an object stands in the scanner's output.
type member struct{ start, value, end int }

func (s *scanner) object(depth int) bool {
	s.at++
	s.out = append(s.out, '{')
	start := len(s.out)
	var members []member
	for first := true; ; first = false {
		if first && s.take('}') {
			break
		}
		m, ok := s.member(depth)
		if !ok {
			return false
		}
		members = append(members, m)
		if s.take('}') {
			break
		}
		if !s.take(',') {
			return false
		}
		s.out = append(s.out, ',')
	}
	s.unique(start, members)
	s.out = append(s.out, '}')
	return true
}

func (s *scanner) member(depth int) (m member, ok bool) {
	m.start = len(s.out)
	if s.space(); s.peek() != '"' || !s.text() || !s.take(':') {
		return m, false
	}
	s.out = append(s.out, ':')
	m.value = len(s.out)
	ok = s.value(depth + 1)
	m.end = len(s.out)
	return m, ok
}

// unique writes the members from start on again if a name stands twice: the
// place of the first, the value of the last.
func (s *scanner) unique(start int, members []member) {
	last := make(map[string]member, len(members))
	for _, m := range members {
		last[string(s.out[m.start:m.value])] = m
	}
	if len(last) == len(members) {
		return
	}
	var kept []byte
	for _, m := range members {
		name := string(s.out[m.start:m.value])
		l, waiting := last[name]
		if !waiting {
			continue
		}
		delete(last, name)
		if len(kept) > 0 {
			kept = append(kept, ',')
		}
		kept = append(kept, name...)
		kept = append(kept, s.out[l.value:l.end]...)
	}
	s.out = append(s.out[:start], kept...)
}
