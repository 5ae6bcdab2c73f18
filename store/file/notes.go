package file

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"cloakroom/session"
)

// notePrefix is the prefix of the files that hold notes. Django's files begin with its cookie's
// name, which does not begin with a dot.
const notePrefix = ".cloakroom-note-"

// maxNote bounds how many bytes of a note's file are read.
const maxNote = 4 << 10

// noteFile is the content of such a file.
type noteFile struct {
	Number  int64  `json:"number"`
	Text    string `json:"text"`
	Expires int64  `json:"expires"` // Unix milliseconds
}

// Notes implements session.Notes.
func (s *Store) Notes(ctx context.Context, keys ...string) ([]session.Note, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	notes := make([]session.Note, len(keys))
	for i, key := range keys {
		n, err := s.note(notePrefix + key)
		if err != nil {
			return nil, err
		}
		if n.Expires.After(s.Now()) {
			notes[i] = n
		}
	}
	return notes, nil
}

// note reads a note's file, whether or not the note has expired. It returns the zero Note if there
// is none.
func (s *Store) note(name string) (n session.Note, err error) {
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return n, unavailable(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return n, unavailable(err)
	}
	var stored noteFile
	if err := json.Unmarshal(text, &stored); err != nil {
		return n, unavailable(errors.New("a note's file is damaged")) // fail closed: the note may be a revocation
	}
	return session.Note{Number: stored.Number, Text: stored.Text, Expires: time.UnixMilli(stored.Expires).UTC()}, nil
}

// SetNote implements session.Notes.
func (s *Store) SetNote(ctx context.Context, key string, n session.Note) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	before, err := s.note(notePrefix + key)
	if err != nil {
		return err
	}
	if before.Expires.After(s.Now()) {
		n = before.Merge(n)
	}
	text, err := json.Marshal(noteFile{n.Number, n.Text, n.Expires.UnixMilli()})
	if err != nil {
		return err
	}
	temporary, err := s.writeFile(string(text))
	if err != nil {
		return err
	}
	if err := s.root.Rename(temporary, notePrefix+key); err != nil {
		s.root.Remove(temporary)
		return unavailable(err)
	}
	return nil
}

// ClearNotes implements session.Notes.
func (s *Store) ClearNotes(ctx context.Context, limit int) (cleared int, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for name, err := range s.names(ctx) {
		if err != nil || cleared >= limit {
			return cleared, err
		}
		if !strings.HasPrefix(name, notePrefix) {
			continue
		}
		if n, err := s.note(name); err != nil || n.Expires.After(s.Now()) {
			continue
		}
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cleared, unavailable(err)
		}
		cleared++
	}
	return cleared, nil
}
