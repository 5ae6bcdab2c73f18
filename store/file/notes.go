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

// notePrefix begins the names of the files that hold notes. Django's sessions have its cookie's
// name there, in which no dot comes first.
const notePrefix = ".cloakroom-note-"

// maxNote bounds what is read of a note's file.
const maxNote = 4 << 10

// noteFile is what stands in such a file.
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

// note reads a note's file, whether or not it has expired; the zero Note where there is none.
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
		return n, unavailable(errors.New("a note's file is damaged")) // in doubt nothing is admitted
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
