package main

import (
	"os"
	"path/filepath"
	"time"

	charts "github.com/wcharczuk/go-chart/v2"

	"cloakroom/tests/stack"
)

// chart draws what each side adds to Envoy's CPU for a request.
func chart(sides []side, turns map[string][]turn) error {
	base := median(turns[sides[0].Name], cpu)
	var bars []charts.Value
	for _, s := range sides[1:] {
		bars = append(bars, charts.Value{Label: s.what, Value: float64(median(turns[s.Name], cpu)-base) / float64(time.Microsecond)})
	}
	if len(bars) < 2 {
		return nil // nothing to compare
	}
	bar := charts.BarChart{
		Title: "Envoy's CPU added for each request, µs", Width: 1400, Height: 500, BarWidth: 60, BarSpacing: 55,
		Background: charts.Style{Padding: charts.Box{Top: 50, Bottom: 60}}, UseBaseValue: true, Bars: bars,
		XAxis: charts.Style{TextWrap: charts.TextWrapWord, FontSize: 9},
	}
	return draw("filter.svg", func(f *os.File) error { return bar.Render(charts.SVG, f) })
}

// draw writes a chart beside the tables.
func draw(file string, write func(*os.File) error) error {
	root, err := stack.Root()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "build", "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
