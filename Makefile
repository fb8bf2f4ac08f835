# The only definition of each task; .ci/run calls `make check` and `make test`.

CARGO ?= cargo
ARGS ?=
RUNS ?= 1000000
TARGETS ?= sync splice survey health remux mp4 film head follow variables lists guide account panel challenge address subtitles rtmp rtp
MODULES ?= failover lifecycle lifecycle/* playlist/follow/* health/* provider segmenter
SECONDS ?= 30
DENY_VERSION := 0.20.2
DEB_TOOL_VERSION := 3.8.0

.PHONY: help run build deb static image package-check web test test-portable test-long check bench bench-check bench-build soak attacks matrix chaos calm hunt lists schemathesis fuzz mutants setup setup-long setup-bench setup-lists setup-schemathesis setup-web setup-check clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Build the release binary and serve channels.toml (ARGS="--listen 127.0.0.1:9090" adds to it)
	$(CARGO) build --release
	./target/release/forebay $(ARGS)

build: ## Build the release binary
	$(CARGO) build --release

deb: ## Build a Debian package: target/package/forebay_*.deb
	@command -v cargo-deb >/dev/null || $(CARGO) install cargo-deb --locked --version $(DEB_TOOL_VERSION)
	scripts/package/build.sh deb

static: ## Build a binary that needs no other file: target/package/static/forebay
	scripts/package/build.sh static

image: ## Build an image of that binary alone: target/package/image.tar
	scripts/setup.sh buildah
	scripts/package/build.sh image

package-check: ## Install, start, play, upgrade, remove and purge the package in a Debian of its own; start the static binary in an empty folder (as root)
	scripts/setup.sh debootstrap curl python3
	scripts/package/check.sh

web: setup-web ## Build web/dist, which is committed, from web/
	cd web && npm ci --no-audit --no-fund && npm run build
	scripts/check-web.sh --write

test: setup ## Run all tests; installs what they need, or says what is missing
	$(CARGO) nextest run --workspace
	$(CARGO) test --workspace --doc

test-portable: setup ## Run the tests of what is done otherwise where there is no sendfile
	FOREBAY_PORTABLE=1 $(CARGO) nextest run --workspace --target-dir target/portable \
		-E 'test(/^channel::/) + test(/^(limits|on_demand|slow|takeover)::/)'

test-long: setup setup-long ## Let players and a browser play for longer than in the tests (players SECONDS=30 each); kill the database 200 times, jobs 100 times; ask Kodi what it shows
	FOREBAY_PLAY_SECONDS=$(SECONDS) $(CARGO) nextest run --package forebay --profile long --run-ignored only \
		--no-capture -E 'test(/^hls_(playing|opening)::/) + test(=store::killed::two_hundred_instants) + test(=store::killed_jobs::a_hundred_instants) + test(=store::killed_server::two_hundred_instants_of_a_server) + test(=store::refreshed::only_viewers_of_removed_channels_end_of_five_hundred) + test(=lineup::tests::lasting::a_thousand_edits_outlive_a_hundred_refreshes) + test(=lineup::tests::merges::precision_and_recall_on_iptv_org_in_a_database) + test(=lineup::tests::hostile::a_million_groups_are_ten_thousand_and_a_count) + test(=ladder::killed_at_ten_moments_nothing_half_is_served_and_the_job_ends) + test(=revoked::two_hundred_times) + test(=revoked::players::two_hundred_real_players_end_within_a_second) + test(=page_channels::no_picture_is_lost_or_repeated_in_ten_minutes) + test(=clients::players::kodi_shows_groups_numbers_and_what_is_on_and_plays)'

check: setup-check ## Formatting, lints, docs, licences, links, the structure of the house, built files, the pages against the OpenAPI document
	$(CARGO) fmt --all --check
	FOREBAY_PORTABLE=1 $(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) deny check bans licenses sources
	scripts/check-links.sh
	scripts/house.py --quiet
	scripts/check-web.sh
	cd web && npm run --silent check
	node scripts/openapi/validate.mjs docs/openapi.json

bench: bench-build ## Measure the engine, then the server against its reference: half an hour (ARGS="--only fanout-5000")
	$(CARGO) bench -p forebay-core
	$(CARGO) bench -p forebay --bench jobs
	$(CARGO) bench -p forebay --bench resolver
	./target/release/forebay-bench run $(ARGS)

bench-check: bench-build ## Measure the server in short, and fail where it got worse against its reference
	./target/release/forebay-bench run --quick --check benches/reference.json $(ARGS)

soak: bench-build ## Let viewers come and go for two hours, and say what grew (ARGS="--minutes 10")
	./target/release/forebay-bench soak $(ARGS)

matrix: setup ## Let sources fail in every way, in several rounds, and tell how long viewers notice (ROUNDS=5)
	FOREBAY_MATRIX_ROUNDS=$(or $(ROUNDS),5) $(CARGO) test --package forebay --test it matrix::every -- --nocapture --test-threads 1

chaos: setup ## Let viewers and sources come and go at random for ten minutes, with providers' limits (SEED=1)
	FOREBAY_CHAOS_SEED=$(or $(SEED),1) FOREBAY_CHAOS_SECONDS=600 \
		$(CARGO) test --package forebay --test it chaos:: -- --nocapture

calm: setup ## Watch odd sources that are well for an hour: none may be given up (SECONDS=3600)
	FOREBAY_CALM_SECONDS=$(if $(filter command line,$(origin SECONDS)),$(SECONDS),3600) \
		$(CARGO) test --package forebay --test it calm:: -- --nocapture

attacks: bench-build ## Do what providers, viewers and operators may do, and say what others notice (ARGS="--only file joins")
	./target/release/forebay-bench attacks $(ARGS)

hunt: ## Look for rare faults of the decisions about sources, in random worlds (CASES=100000)
	PROPTEST_CASES=$(or $(CASES),100000) $(CARGO) test --release --package forebay-core --test channel_model

lists: setup-lists ## Compare how we read and import lists of channels with what other parsers make of them (LISTS="FILE FOLDER")
	$(CARGO) build -p forebay-core --example m3u
	$(CARGO) build -p forebay --bin forebay
	node scripts/lineup/compare.mjs $(LISTS)

schemathesis: setup-schemathesis ## Send 5,000 requests that docs/openapi.json allows, or not, and compare the answers with it
	$(CARGO) build --package forebay --bin forebay
	scripts/schemathesis/run.py

bench-build: setup-bench
	$(CARGO) build --release -p forebay -p forebay-bench

# Without a sanitizer: the code has no `unsafe`, and so the installed compiler will do. The cut is
# where a real initialisation segment with a fragment, or a picture with its tables, still fits.
fuzz: ## Fuzz the parsers (RUNS=1000000 each, TARGETS="mp4 follow")
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked
	for target in $(TARGETS); do \
		$(CARGO) fuzz run --sanitizer none $$target -- \
			-runs=$(RUNS) -max_len=16384 -dict=fuzz/words.dict -print_final_stats=1 || exit 1; \
	done

# No part of CI: each fault takes a build and a run of the core's tests.
mutants: ## Put plausible faults into decisions of the core, and say which no test sees (MODULES="provider lifecycle/*")
	@command -v cargo-mutants >/dev/null || $(CARGO) install cargo-mutants --locked
	PROPTEST_CASES=100 $(CARGO) mutants --package forebay-core --output target $(foreach module,$(MODULES),--file 'core/src/$(module).rs') $(ARGS)

setup: ## Install what the tests need: ffmpeg, VLC, mpv, GStreamer, Chromium, hdhomerun_config, xmllint, tv_validate_file, programs that read lists, Pebble (an ACME server), nginx, Prometheus, curl, yt-dlp, cargo-nextest
	scripts/setup.sh ffmpeg vlc mpv gstreamer chromium hdhomerun_config xmllint tv_validate_file npm pebble nginx nginx-rtmp prometheus curl python3 venv testkit/browser testkit/clients/node testkit/clients/python testkit/oidc testkit/platform testkit/webhooks
	@command -v cargo-nextest >/dev/null || $(CARGO) install cargo-nextest --locked

setup-long: ## Install what the long tests need besides: Kodi with its client of lists, on a screen that nobody sees
	scripts/setup.sh kodi xvfb

setup-bench: ## Install what the measurements need: ffmpeg, nginx
	scripts/setup.sh ffmpeg nginx

setup-lists: ## Install other parsers of lists
	scripts/setup.sh npm python3 scripts/lineup

setup-schemathesis: ## Install schemathesis
	scripts/setup.sh venv scripts/schemathesis

setup-web: ## Install what the web page is built with: Node.js
	scripts/setup.sh npm

setup-check: ## Install what the checks need: Python, Node.js with a validator of OpenAPI and what checks the pages, cargo-deny
	scripts/setup.sh python3 npm scripts/openapi web
	@command -v cargo-deny >/dev/null || \
		$(CARGO) install cargo-deny --locked --no-default-features --version $(DENY_VERSION)

clean: ## Remove what was built
	$(CARGO) clean
