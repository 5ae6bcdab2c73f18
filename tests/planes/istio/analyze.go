package main

import (
	"bytes"
	"fmt"
	"os"

	"istio.io/istio/pkg/config/analysis"
	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/local"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/validation"
)

// analyze does as `istioctl analyze --use-kube=false`, in all namespaces, after the validation that
// istiod's webhook does. It prints a line for each warning and message, and then a count.
func analyze(files []string) error {
	combined := analysis.Combine("all", analyzers.All()...)
	source := local.NewSourceAnalyzer(combined, "", "istio-system", nil)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := validate(text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		// The namespaces and Services of the files count as well.
		if err := source.AddTestReaderKubeSource([]local.ReaderSource{{Name: file, Reader: bytes.NewReader(text)}}); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	result, err := source.Analyze(make(chan struct{}))
	if err != nil {
		return err
	}
	for _, m := range result.Messages {
		fmt.Println(m.String())
	}
	fmt.Println(len(result.ExecutedAnalyzers), "analyzers ran,", len(result.SkippedAnalyzers), "were skipped")
	return nil
}

// validate prints the warnings of the validation.
func validate(text []byte) error {
	configs, _, err := parse(text)
	if err != nil {
		return err
	}
	for _, c := range configs {
		schema, ok := collections.PilotGatewayAPI().FindByGroupVersionKind(c.GroupVersionKind)
		if !ok {
			return fmt.Errorf("Istio has no %v", c.GroupVersionKind)
		}
		warning, err := schema.ValidateConfig(c)
		if err != nil {
			return fmt.Errorf("%s %s: %w", c.GroupVersionKind.Kind, c.Name, err)
		}
		if warning != nil {
			fmt.Printf("validation: %s %s: %v\n", c.GroupVersionKind.Kind, c.Name, validation.Warning(warning))
		}
	}
	return nil
}
