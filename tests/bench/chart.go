package main

import (
	"image/color"
	"os"
	"path/filepath"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"cloakroom/internal/testenv"
)

// chart draws what each side adds to Envoy's CPU for a request, in build/bench/filter.svg.
func chart(sides []side, turns map[string][]turn) error {
	base := median(turns[sides[0].Name], cpu)
	var values plotter.Values
	var names []string
	for i := len(sides) - 1; i > 0; i-- { // the first on top
		values = append(values, float64(median(turns[sides[i].Name], cpu)-base)/float64(time.Microsecond))
		names = append(names, sides[i].what)
	}
	if len(values) < 2 {
		return nil // nothing to compare
	}
	bars, err := plotter.NewBarChart(values, vg.Points(16))
	if err != nil {
		return err
	}
	bars.Horizontal, bars.Color = true, color.RGBA{0x44, 0x88, 0xcc, 0xff}
	p := plot.New()
	p.Title.Text, p.X.Label.Text = "Envoy's CPU added for each request", "µs"
	p.Add(plotter.NewGrid(), bars)
	p.NominalY(names...)
	return draw(p, vg.Points(900), vg.Points(60+28*float64(len(names))), "filter.svg")
}

// drawCurves draws the lines of what grows, in build/bench/growth.svg.
func drawCurves(names []string, points []plotter.XYs) error {
	p := plot.New()
	p.Title.Text = "Cost of a request as things grow"
	p.X.Label.Text, p.Y.Label.Text = "the n-th value", "µs over the first value's"
	p.Legend.Top, p.Legend.Left = true, true
	var lines []any
	for i, name := range names {
		lines = append(lines, name, points[i])
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return err
	}
	return draw(p, vg.Points(900), vg.Points(420), "growth.svg")
}

// draw writes a chart beside the tables.
func draw(p *plot.Plot, width, height vg.Length, file string) error {
	root, err := testenv.Root()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "build", "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return p.Save(width, height, filepath.Join(dir, file))
}
