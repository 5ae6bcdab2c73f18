package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
)

// addDjango adds a project's settings: the filter's configuration where the description has none of
// its own, the arguments of the service, and after the description's routes those of the project.
func (d *Description) addDjango(settings []byte) error {
	file := d.Django.Settings
	if settings == nil {
		if file == "" && d.Django.To == "" {
			return nil
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(d.file), file)
		}
		var err error
		if settings, err = os.ReadFile(file); err != nil {
			return d.wrong("django.settings", "%v; cloakroom config from-django --json prints it", err)
		}
	}
	var project struct {
		Filter json.RawMessage
		Serve  []string
		Pages  []struct{ Name, Match, Value, Mode string }
	}
	if err := json.Unmarshal(settings, &project); err != nil || project.Filter == nil {
		return d.wrong("django.settings", "%s is not what cloakroom config from-django --json prints", file)
	}
	var filter yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(project.Filter, &filter, yaml.UseOrderedMap()); err != nil {
		return d.wrong("django.settings", "%s: %v", file, err)
	}
	if engine, _ := child(filter, "engine").(yaml.MapSlice); child(engine, "service") != nil {
		filter = with(filter, "engine", with(engine, "service", yaml.MapSlice{}))
	}
	d.Filter.Configuration = overlaid(filter, d.Filter.Configuration)
	if len(project.Serve) > 3 { // serve --store URL
		d.Service.Arguments = append(slices.Clone(project.Serve[3:]), d.Service.Arguments...)
	}
	for _, page := range project.Pages {
		r := &Route{Name: page.Name, To: d.Django.To, Configuration: yaml.MapSlice{{Key: "mode", Value: page.Mode}}}
		switch page.Match {
		case "path":
			r.Path = page.Value
		case "prefix":
			r.Prefix = page.Value
		default:
			r.Regex = page.Value
		}
		d.Routes = append(d.Routes, r)
	}
	d.Routes = append(d.Routes, &Route{Name: "app", Prefix: "/", To: d.Django.To})
	if _, err := parseBackend(d.Django.To); err != nil {
		return d.wrong("django.to", "%v", err)
	}
	return nil
}

// overlaid returns an object with the members of another in the place of its own, objects in them
// one by one.
func overlaid(m, over yaml.MapSlice) yaml.MapSlice {
	for _, item := range over {
		value := item.Value
		inner, isObject := value.(yaml.MapSlice)
		if old, ok := child(m, fmt.Sprint(item.Key)).(yaml.MapSlice); ok && isObject {
			value = overlaid(old, inner)
		}
		m = with(m, fmt.Sprint(item.Key), value)
	}
	return m
}
