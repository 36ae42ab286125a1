# agent_branch: make help
#
# The two shared libraries of the extension are built with PGXS, one sub-make each, because PGXS
# knows one library a makefile (extension/Makefile, worker/Makefile). The layers below them, which
# know nothing of the server, are archives built here without pg_config. Sources are found by
# wildcard; everything that is built goes to build/.
#
# Variables: PG_MAJOR (what tools/pg_major finds) or PG_CONFIG: the PostgreSQL to build for; CXX,
# CXXFLAGS; WERROR= for a
# compiler that warns of more than ours; DESTDIR; SUITE="unit pgtap": what make check runs;
# SANITIZE=address,undefined: unit and simulation tests under sanitizers (make check-sanitize);
# SECONDS=60: how long make simulate runs, or make fuzz each target (600); TARGET: one of those;
# POINTS="restore recorded": make crash-matrix plays only points that these words describe;
# DEMO="--topology flat --keep": options of the demo, see demo/run --help;
# CHROOTS=DIR: where make check-versions keeps its Debians; VERSIONS="17 18": which it tests;
# SINCE=main: clang-tidy looks only at what changed since that commit.

# A major version that nobody gave is looked up by each that needs it, as it may be installed
# meanwhile.
ifneq ($(PG_MAJOR),)
export PG_MAJOR
endif
ifeq ($(origin PG_CONFIG),undefined)
PG_CONFIG := $(or $(wildcard /usr/lib/postgresql/$(shell tools/pg_major)/bin/pg_config),pg_config)
endif
WERROR ?= -Werror
CXXFLAGS ?= -O2 -g
TEST_SYMBOLS ?= -g0
export PG_CONFIG WERROR SINCE

control := $(firstword $(wildcard agent_branch.control sql/agent_branch.control))
# The one place that holds the version is the control file.
version := $(if $(control),$(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(control)))
DEFINES := -DAGENT_BRANCH_VERSION='"$(version)"'
CONTROL = $(addprefix ../../,$(control))
export DEFINES CONTROL

build := build$(if $(FUZZ),/fuzz,$(if $(SANITIZE),/sanitize))
suites := unit simulation fuzz branch emulator pgtap system load crash fixer contract lint
# All sources below a folder; the objects they make; $(2) if there are any.
below = $(sort $(if $(wildcard $(1)),$(shell find $(1) -name '*.cpp')))
objects = $(patsubst %.cpp,$(build)/%.o,$(call below,$(1)))
if_any = $(if $(call below,$(1)),$(2))
# As many jobs as there are processors, unless the caller has said.
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
quiet := --no-print-directory
submake = +@$(MAKE) $(quiet)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all extension worker emulator fleet libraries tests install uninstall demo check check-sanitize
.PHONY: check-packages check-versions deb simulate mutants fuzz crash-matrix hostile merge-oracle merge-fuzz fixer-report bench lint format deps dist clean help
.PHONY: compile_commands.json

help:
	@echo "make             the extension, its worker, the emulator and the page, in build/"
	@echo "make install     into the PostgreSQL of $(PG_CONFIG) (as root); make uninstall takes it out"
	@echo "make demo        installs what is missing, then shows a session's life on the emulator"
	@echo "make check       the same, then runs all tests; SUITE='$(suites)' chooses"
	@echo "make bench       measures everything that was promised, beside its peers; bench/run NAME does one part"
	@echo "make check-sanitize  the tests that need no server, under address and undefined behaviour sanitizer"
	@echo "make check-versions  builds and tests on each PostgreSQL, on the Debian that has it (as root)"
	@echo "make simulate    runs the worker's core through random schedules for SECONDS=60"
	@echo "make mutants     applies small changes to the worker, and prints which test notices each"
	@echo "make fuzz        libFuzzer on each parser of bytes from outside for SECONDS=600; TARGET=one of them"
	@echo "make crash-matrix  ends workers, servers and connections at every step, and prints a table"
	@echo "make hostile     calls every function with hostile arguments as each role, CALLS=100000 times"
	@echo "make merge-oracle  merges beside writers while the worker is killed, MERGES=500 times, and looks for lost writes"
	@echo "make merge-fuzz  merges random changes of both sides, CASES=1000, and holds each against both orders"
	@echo "make fixer-report  plays the set of broken migrations, and prints how many were fixed"
	@echo "make lint        formatting, clang-tidy, and the rules of the house"
	@echo "make format      formats the sources"
	@echo "make deps        installs the Debian packages that all this needs (as root)"
	@echo "make deb         Debian packages, in build/deb/"
	@echo "make check-packages  installs them into a bare Debian, lives a session's life, and removes them (as root)"
	@echo "make dist        packs the last commit for PGXN, as a zip in build/"
	@echo "make clean       removes build/"

all: $(call if_any,extension,extension) $(if $(wildcard worker/*.cpp),worker) \
	$(if $(wildcard emulator/Makefile),emulator) fleet

# --- The shared libraries ---------------------------------------------------------------------

extension: build/libcore.a
	@mkdir -p build/extension
	$(submake) -C build/extension -f ../../extension/Makefile

worker: build/libcore.a build/libhttp.a build/libbranch.a
	@mkdir -p build/worker
	$(submake) -C build/worker -f ../../worker/Makefile

emulator:
	$(submake) -C emulator

fleet:
	$(submake) -C fleet

install: extension worker
	$(submake) -C build/extension -f ../../extension/Makefile install
	$(submake) -C build/worker -f ../../worker/Makefile install

uninstall:
	@mkdir -p build/extension build/worker
	$(submake) -C build/extension -f ../../extension/Makefile uninstall
	$(submake) -C build/worker -f ../../worker/Makefile uninstall

# --- What does not know the server ------------------------------------------------------------

# g++ 12 takes an empty std::optional<std::string> for one that is read.
warnings := -Wall -Wextra -Wno-maybe-uninitialized $(WERROR)
sanitizers := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer $(if $(FUZZ),-fsanitize-ignorelist=tests/fuzz/ignorelist))
compile = $(CXX) -std=c++20 $(CXXFLAGS) $(CPPFLAGS) -fPIC $(warnings) $(sanitizers) \
	$(visibility) $(optimisation) $(symbols) -I. $(DEFINES) $(layer_flags) -MMD -MP

visibility := -fvisibility=hidden -fvisibility-inlines-hidden
# Tests put functions of their own in the place of the C library's, which libcurl then has to find.
$(build)/tests/%.o: visibility :=
# A test that fails says where by itself: debug information is a third of the time of compiling it.
# TEST_SYMBOLS=-g for gdb.
$(build)/tests/%.o: symbols = $(if $(SANITIZE),,$(TEST_SYMBOLS))
# These are compiled once and run for a second: optimising them takes longer than it saves.
$(build)/tests/unit/%.o $(build)/tests/branch/%.o: optimisation := -O0
$(build)/worker/http/%.o: layer_flags = $(shell pkg-config --cflags libcurl)
$(build)/worker/branch/%.o: layer_flags = $(shell pkg-config --cflags libpq)
$(build)/tests/branch/%.o: layer_flags = $(shell pkg-config --cflags libpq)

$(build)/%.o: %.cpp Makefile $(control)
	@mkdir -p $(@D)
	$(compile) -c -o $@ $<

archives := $(addprefix $(build)/,libcore.a libhttp.a libbranch.a)
libraries: $(archives)
$(build)/libcore.a: $(call objects,worker/core)
$(build)/libhttp.a: $(call objects,worker/http)
$(build)/libbranch.a: $(call objects,worker/branch)
$(archives): $(build)/lib%.a: Makefile
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $(filter %.o,$^)

-include $(patsubst %.o,%.d,$(foreach folder,worker/core worker/http worker/branch \
	tests/unit tests/simulation tests/fuzz tests/branch bench,$(call objects,$(folder))))

# --- Tests --------------------------------------------------------------------------------------

test_programs := $(foreach suite,unit simulation fuzz branch,$(build)/tests/$(suite)_tests)
$(build)/tests/unit_tests: $(call objects,tests/unit) $(build)/libhttp.a $(build)/libcore.a
$(build)/tests/simulation_tests: $(call objects,tests/simulation) $(build)/libcore.a
# The targets, and their test over the corpus in place of libFuzzer.
fuzz_objects := $(filter-out %/libfuzzer.o %_test.o,$(call objects,tests/fuzz))
all_libraries := $(build)/libbranch.a $(build)/libhttp.a $(build)/libcore.a
$(build)/tests/fuzz_tests: $(fuzz_objects) $(build)/tests/fuzz/corpus_test.o $(all_libraries)
$(build)/tests/branch_tests: $(call objects,tests/branch) $(build)/libbranch.a $(build)/libcore.a
$(build)/tests/unit_tests: libraries = $(shell pkg-config --libs libcurl openssl)
$(build)/tests/branch_tests: libraries = $(shell pkg-config --libs libpq openssl)
$(build)/tests/fuzz_tests $(build)/fuzzer: libraries = $(shell pkg-config --libs libcurl libpq openssl)
$(test_programs): Makefile
	$(CXX) $(CXXFLAGS) $(sanitizers) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) \
		-lgtest_main -lgtest $(libraries) -pthread

# The tables' store, in a library that tests load into a server: see tests/store. Its objects, but
# for the cases themselves, are those of the worker's library.
store_objects := $(addprefix build/worker/,$(patsubst %.cpp,%.o,$(wildcard postgres/*.cpp worker/store_*.cpp) \
	worker/postgres_store.cpp worker/provision_table.cpp worker/fix_queries.cpp))
build/worker/agent_branch_worker.so: worker ;
build/tests/store_cases.so: tests/store/store_cases.cpp tests/unit/core/store_cases.hpp \
		tests/unit/core/store_conformance.hpp Makefile build/worker/agent_branch_worker.so
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O1 -g -fPIC -shared $(warnings) -Wno-register -I. \
		-isystem $(shell $(PG_CONFIG) --includedir-server) -fvisibility=hidden \
		-fvisibility-inlines-hidden -o $@ $< $(store_objects) $(build)/libcore.a

# What each suite needs; those without sources yet need nothing, and the runner says so.
needs_unit := $(call if_any,tests/unit,$(build)/tests/unit_tests)
needs_simulation := $(call if_any,tests/simulation,$(build)/tests/simulation_tests)
needs_fuzz := $(call if_any,tests/fuzz,$(build)/tests/fuzz_tests)
needs_branch := $(call if_any,tests/branch,$(build)/tests/branch_tests)
needs_emulator := $(if $(wildcard emulator/Makefile),emulator)
needs_pgtap := $(if $(call below,extension),install)
needs_server := $(needs_pgtap) $(needs_emulator) fleet
needs_system := $(needs_server) build/tests/store_cases.so
needs_load := $(needs_server)
needs_crash := $(needs_server)
needs_fixer := $(needs_server)
needs_contract := $(needs_server)
needs_lint := all
tests: $(sort $(foreach suite,$(or $(SUITE),$(suites)),$(needs_$(suite))))
	@:

# What deps installs is looked up while make reads a makefile, so the rest is a make of its own.
check: deps
	$(submake) $(jobs) tests
	@tests/run --build $(build) $(SUITE)

# Those of the suites that need no server. Their objects are built once with and once without.
check-sanitize: deps
	$(submake) $(jobs) SANITIZE=address,undefined CXXFLAGS='-O1 -g' SUITE='$(sanitized)' tests
	@UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 \
		AGENT_BRANCH_SIMULATION_SCHEDULES=4000 tests/run --build build/sanitize $(sanitized)
sanitized = $(or $(SUITE),unit simulation fuzz)

# One program for all targets. What it finds stays in build/fuzz/.
$(build)/fuzzer: $(fuzz_objects) $(build)/tests/fuzz/libfuzzer.o $(all_libraries) Makefile
	$(CXX) $(CXXFLAGS) $(sanitizers) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) $(libraries)

fuzz:
	@tools/deps fuzz
	$(submake) $(jobs) FUZZ=1 CXX=clang++-14 SANITIZE=fuzzer-no-link,address,undefined \
		CXXFLAGS='-O1 -g' build/fuzz/fuzzer
	@tests/fuzz/run --seconds $(or $(SECONDS),600) $(TARGET)

simulate: $(build)/tests/simulation_tests
	AGENT_BRANCH_SIMULATION_SECONDS=$(or $(SECONDS),60) $< --gtest_filter='*/Seconds.*'

# Its builds are its own, below build/mutants. MUTANTS: ids, or folders such as core/neon.
mutants: deps
	@tests/mutants/run $(MUTANTS)

demo:
	@demo/rights
	@tools/deps
	$(submake) $(jobs) install $(needs_emulator)
	@demo/run $(DEMO)

check-versions:
	@tools/deps chroots
	@tests/versions/run --chroots $(or $(CHROOTS),build/chroots) \
		$(if $(SUITE),--suites '$(SUITE)') $(VERSIONS)

# Nobody's write is lost, by the hundreds; and merges by chance, held against both orders.
merge-oracle: deps
	$(submake) $(jobs) install $(needs_emulator)
	@AGENT_BRANCH_ORACLE_MERGES=$$(( $(or $(MERGES),500) / 2 )) AGENT_BRANCH_ORACLE_SEED=$(SEED) \
		python3 -m pytest -q -s -p no:cacheprovider tests/system/test_lost_writes.py

merge-fuzz: deps
	$(submake) $(jobs) install $(needs_emulator)
	@AGENT_BRANCH_FUZZ_CASES=$(or $(CASES),1000) AGENT_BRANCH_FUZZ_SEED=$(SEED) \
		python3 -m pytest -q -s -p no:cacheprovider tests/system/test_merge_fuzz.py

crash-matrix: deps
	$(submake) $(jobs) install $(needs_emulator)
	@tests/crash/matrix $(POINTS)

# What one seed finds comes again with it: HOSTILE_SEED=7.
hostile: deps
	$(submake) $(jobs) install $(needs_emulator)
	AGENT_BRANCH_HOSTILE_CALLS=$(or $(CALLS),100000) AGENT_BRANCH_HOSTILE_SEED=$(or $(HOSTILE_SEED),1) \
		/usr/bin/python3 -m pytest -p no:cacheprovider -q tests/system/test_hostile_callers.py

fixer-report: deps
	$(submake) $(jobs) install $(needs_emulator)
	@tests/fixer/report.py

# The clients that are compared, and Google Benchmark of the core with the unit tests' fakes around it.
$(build)/bench/client/%.o: layer_flags = $(shell pkg-config --cflags libpq libcurl)
$(build)/bench-client: $(call objects,bench/client) Makefile
	$(CXX) $(CXXFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(shell pkg-config --libs libpq libcurl) -pthread
bench_fakes := $(patsubst %,$(build)/tests/unit/core/%.o,engine_driver fake_branches fake_neon fake_neon_changes fake_store)
$(build)/bench-hot: $(call objects,bench/hot) $(bench_fakes) $(build)/libcore.a Makefile
	$(CXX) $(CXXFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) -lbenchmark -lgtest -pthread

bench: deps
	@tools/deps monitoring
	$(submake) $(jobs) install $(needs_emulator) $(build)/bench-client $(build)/bench-hot
	@bench/run

# --- Housekeeping ---------------------------------------------------------------------------

deps:
	@tools/deps

lint:
	@tools/deps lint
	$(submake) $(jobs) all compile_commands.json
	@tests/lint/run

compile_commands.json:
	@tests/lint/compile_commands >$@

format:
	@tools/deps lint
	@tests/lint/format

# Debian packages, and what they do in a Debian that has nothing else.
deb:
	@tools/deps deb
	@tools/package

check-packages:
	@tools/deps chroots
	@tests/packages/run
	@tests/packages/container

# For PGXN, of the last commit.
dist:
	@mkdir -p build
	git archive --format=zip --prefix=agent_branch-$(version)/ \
		--output=build/agent_branch-$(version).zip HEAD

clean:
	rm -rf build compile_commands.json
