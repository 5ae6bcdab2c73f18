package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"cloakroom/service"
	"cloakroom/service/token"
)

// tokensFlag is the flags of serve about the tokens that it signs.
type tokensFlag struct {
	Keys    string        `name:"token-keys" placeholder:"FOLDER" help:"Folder with the keys of the tokens by which services verify the user (identity.token): see cloakroom keys. It is reread when it changes."`
	Issuer  string        `name:"token-issuer" placeholder:"URL" help:"The tokens' iss, such as https://www.example.com; required with --token-keys."`
	Overlap time.Duration `name:"token-overlap" default:"30m" placeholder:"DURATION" help:"How long a new key is published before it signs: longer than verifiers cache the keys (default ${default})."`
}

// maxIssuer bounds the issuer, which each token has.
const maxIssuer = 255

// tokens returns what serve signs tokens with; nil without --token-keys.
func (f tokensFlag) tokens(log *slog.Logger) (*service.Tokens, error) {
	switch {
	case f.Keys == "" && f.Issuer == "":
		return nil, nil
	case f.Keys == "" || f.Issuer == "":
		return nil, fmt.Errorf("%w: --token-keys and --token-issuer need each other", errUsage)
	case len(f.Issuer) > maxIssuer:
		return nil, fmt.Errorf("%w: --token-issuer has more than %d bytes", errUsage, maxIssuer)
	case f.Overlap < 0:
		return nil, fmt.Errorf("%w: --token-overlap must not be negative", errUsage)
	}
	keys, err := token.Open(f.Keys, f.Overlap, time.Now, log)
	if err != nil {
		return nil, fmt.Errorf("--token-keys: %w", err)
	}
	return &service.Tokens{Issuer: f.Issuer, Keys: keys}, nil
}

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the keys of a folder, and which of them signs."`
	New    keysNewCmd    `cmd:"" help:"Make a key in a folder; the first one signs at once, others after --token-overlap."`
	Rotate keysRotateCmd `cmd:"" help:"Make a key, and delete those whose last token has ended."`
}

// folderFlag is the folder of keys, and the overlap that serve has.
type folderFlag struct {
	Folder  string        `arg:"" help:"The folder that serve has as --token-keys."`
	Overlap time.Duration `name:"token-overlap" default:"30m" placeholder:"DURATION" help:"The same as serve's (default ${default})."`
}

// open reads the folder's keys, and reports what is wrong with it on standard error.
func (f folderFlag) open(a *app) (*token.Folder, error) {
	keys, err := token.Open(f.Folder, f.Overlap, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	for _, warning := range keys.Warnings() {
		fmt.Fprintln(a.stderr, "warning:", warning)
	}
	return keys, nil
}

type algorithmFlag struct {
	Algorithm string `default:"ES256" enum:"ES256,EdDSA" help:"ES256 (P-256) or EdDSA (Ed25519), which some verifiers lack (default ${default})."`
}

type keysListCmd struct {
	folderFlag `embed:""`
}

// Run prints a line for each key, the newest first.
func (c *keysListCmd) Run(a *app) error {
	folder, err := c.open(a)
	if err != nil {
		return err
	}
	keys, now := folder.Keys(), time.Now()
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tALGORITHM\tSTATE\tUNTIL")
	for i := len(keys) - 1; i >= 0; i-- {
		until := "-"
		if next := token.Next(keys, c.Overlap, i, now); !next.IsZero() {
			until = next.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", keys[i].ID, keys[i].Algorithm, token.State(keys, c.Overlap, i, now), until)
	}
	return table.Flush()
}

type keysNewCmd struct {
	Folder        string `arg:"" help:"The folder that serve has as --token-keys; it is created if it does not exist."`
	algorithmFlag `embed:""`
}

// Run makes a key.
func (c *keysNewCmd) Run(a *app) error {
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return err
	}
	return newKey(a, c.Folder, c.Algorithm)
}

func newKey(a *app, folder, algorithm string) error {
	key, err := token.New(folder, algorithm, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "made", key.ID)
	return nil
}

type keysRotateCmd struct {
	folderFlag    `embed:""`
	algorithmFlag `embed:""`
}

// Run makes a key, and deletes those whose last token has ended.
func (c *keysRotateCmd) Run(a *app) error {
	folder, err := c.open(a)
	if err != nil {
		return err
	}
	if err := newKey(a, c.Folder, c.Algorithm); err != nil {
		return err
	}
	keys, now := folder.Keys(), time.Now()
	for i, key := range keys {
		if token.State(keys, c.Overlap, i, now) != token.Retired {
			continue
		}
		if err := os.Remove(filepath.Join(c.Folder, key.File)); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "deleted", key.ID)
	}
	return nil
}
