// Command trivy-test-db writes a vulnerability database in Trivy's own format from YAML, so that tests can scan a real
// image without the network.
//
//	trivy-test-db FIXTURE.yaml CACHE_DIR
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	fixtures "github.com/aquasecurity/bolt-fixtures"
)

// schemaVersion is the one that Trivy reads since 2021.
const schemaVersion = 2

type metadata struct {
	Version      int
	NextUpdate   time.Time
	UpdatedAt    time.Time
	DownloadedAt time.Time
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: trivy-test-db FIXTURE.yaml CACHE_DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "trivy-test-db:", err)
		os.Exit(1)
	}
}

func write(fixture, cache string) error {
	folder := filepath.Join(cache, "db")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	loader, err := fixtures.New(filepath.Join(folder, "trivy.db"), []string{fixture})
	if err != nil {
		return err
	}
	defer loader.Close()
	if err := loader.Load(); err != nil {
		return err
	}
	now := time.Now().UTC()
	text, err := json.Marshal(metadata{
		Version: schemaVersion, NextUpdate: now.Add(24 * time.Hour), UpdatedAt: now, DownloadedAt: now,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "metadata.json"), text, 0o644)
}
