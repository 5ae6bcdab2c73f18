package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloakroom/session"
	"cloakroom/store"
	"cloakroom/store/feed"
)

// publisher publishes what a command has done to the filters.
type publisher struct {
	Service string `placeholder:"http://127.0.0.1:8081" help:"The running session service, which publishes this to filters with a cache. Needed for that if the store has no feed of its own: SQLite, files. Calls use CLOAKROOM_TOKEN."`
}

// publish publishes the end or change of a session to the filters that cache it: by the running service, if
// it is named, or by the store's feed, if that reaches them.
func (c publisher) publish(ctx context.Context, a *app, sessions session.Store, event, path string, body map[string]any) error {
	if c.Service != "" {
		if err := c.call(ctx, a, path, body); err != nil {
			return fmt.Errorf("it is done in the store, but filters may still have it cached: --service: %w", err)
		}
		return nil
	}
	f, err := store.Feed(ctx, sessions)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, alone := f.(*feed.Memory); alone {
		fmt.Fprintln(a.stderr, "this store has no feed: filters with a cache apply it after cache.ttl; name the running service by --service to apply it at once")
	}
	return f.Publish(ctx, event)
}

// checkService checks the flags and secrets that call needs, before anything is done.
func (c publisher) checkService(a *app) error {
	if c.Service == "" {
		return nil
	}
	u, err := url.Parse(c.Service)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%w: --service %q is no URL: want one such as http://127.0.0.1:8081", errUsage, c.Service)
	}
	_, err = a.requiredSecret("CLOAKROOM_TOKEN", "the service's token")
	return err
}

// call sends a request to the running service.
func (c publisher) call(ctx context.Context, a *app, path string, body map[string]any) error {
	token, err := a.requiredSecret("CLOAKROOM_TOKEN", "the service's token")
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.Service, "/")+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// Conflict: the service could not end all sessions, which the caller already reports; it has
	// published those that ended.
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusConflict {
		return fmt.Errorf("%s responded with %s", path, response.Status)
	}
	return nil
}
