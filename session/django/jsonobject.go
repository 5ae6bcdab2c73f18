package django

// member is the position of one member of an object in the scanner's output.
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
	if !s.name() {
		return m, false
	}
	m.value = len(s.out)
	at := s.at
	if ok = s.value(depth + 1); !ok && s.deep && s.skipDeep && depth == 1 {
		s.at, s.out, s.deep = at, s.out[:m.value], false
		ok = s.skip()
	}
	m.end = len(s.out)
	return m, ok
}

// name scans a member's name and the colon.
func (s *scanner) name() bool {
	if s.space(); s.peek() != '"' || !s.text() || !s.take(':') {
		return false
	}
	s.out = append(s.out, ':')
	return true
}

// skip scans a value of any depth. Repeated names in an object stay.
func (s *scanner) skip() bool {
	var open []byte // the closing brackets that are expected
	for {
		s.space()
		switch c := s.peek(); c {
		case '{', '[':
			s.at++
			s.out = append(s.out, c)
			open = append(open, c+2) // the closing one
			if s.closes(&open) {
				break
			}
			if c == '{' && !s.name() {
				return false
			}
			continue
		default:
			if !s.scalar(c) {
				return false
			}
		}
		for s.closes(&open) {
		}
		if len(open) == 0 {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.out = append(s.out, ',')
		if open[len(open)-1] == '}' && !s.name() {
			return false
		}
	}
}

// closes scans the closing bracket that is expected next, if it is there.
func (s *scanner) closes(open *[]byte) bool {
	last := len(*open) - 1
	if last < 0 || !s.take((*open)[last]) {
		return false
	}
	s.out = append(s.out, (*open)[last])
	*open = (*open)[:last]
	return true
}

// unique rewrites the members from start on if a name is repeated: it keeps the place of the first
// and the value of the last.
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
