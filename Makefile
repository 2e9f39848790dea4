# Fairlead. `make run` shows the yachts; `make test` checks everything; `make help` lists the rest.
ifeq ($(origin CC),default)
CC  := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
BUILD  ?= build
OPT    ?= -O2
SAN    ?=
PREFIX ?= /usr/local
APP    ?= yacht
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)

# Debian packages: what it takes to build and run, and what the tests take besides.
RUN_PACKAGES  := gcc g++ libc6-dev pkg-config libluajit-5.1-dev luajit liblmdb-dev libsqlite3-dev libsimdjson-dev libxxhash-dev lua-cjson-dev
TEST_PACKAGES := clang clang-tidy libclang-rt-14-dev libcmocka-dev lua-busted lua-check shellcheck python3 sqlite3 \
	util-linux coreutils procps

WARN   := -Wall -Wextra -Werror -Wshadow -Wwrite-strings -Wvla
# Under sanitizers gcc knows less about lengths and warns of what can't be.
WARN   += $(if $(SAN),-Wno-unknown-warning-option -Wno-format-truncation -Wno-maybe-uninitialized)
PKGS   := luajit lmdb sqlite3 libxxhash
DEFS   := -D_GNU_SOURCE
BASE   := $(OPT) -g -fno-omit-frame-pointer -fPIC -pthread $(WARN) $(SAN) -MMD -MP
CFLAGS_ALL   := -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes $(BASE) $(DEFS) -I$(BUILD) $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(BASE) $(DEFS) -fno-exceptions -fno-rtti $(CXXFLAGS)
LIBS   := -lluajit-5.1 -llua5.1-cjson -llmdb -lsqlite3 -lsimdjson -lxxhash -lstdc++ -lm -ldl -lpthread
WHOLE  := -Wl,--whole-archive $(BUILD)/libfairlead.a -Wl,--no-whole-archive

CORE_C  := $(filter-out core/cli/main.c,$(wildcard core/*/*.c core/*/*/*.c))
CORE_CC := $(wildcard core/*/*.cc)
CORE_O  := $(CORE_C:%.c=$(BUILD)/%.o) $(CORE_CC:%.cc=$(BUILD)/%.o)
LUA_H   := $(patsubst %,$(BUILD)/%.h,$(wildcard core/*/*.lua))
PLUGINS := $(patsubst plugins/%.c,$(BUILD)/plugins/%.so,$(wildcard plugins/*.c))
BAD     := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/misbehave/*.c tests/plugin/fixtures/*.c))
LAYERS  := base event stream state script plugin plan run web cli plugins
TESTS   := $(patsubst %.c,$(BUILD)/%,$(foreach l,$(LAYERS),$(wildcard tests/$l/test_*.c)))
BENCH   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
FUZZ    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))
MAKE_IN  = $(MAKE) --no-print-directory BUILD

.PHONY: all
all: $(BUILD)/fairlead $(PLUGINS) ## builds build/fairlead and build/plugins/*.so

$(BUILD)/fairlead: $(BUILD)/core/cli/main.o $(BUILD)/libfairlead.a
	@echo "  LD   $@"
	@$(CXX) -rdynamic $(SAN) -pthread -o $@ $< $(WHOLE) $(LIBS) $(LDFLAGS)

$(BUILD)/libfairlead.a: $(CORE_O)
	@rm -f $@; ar rcs $@ $^

# Another compiler or other flags make everything anew; another version only the files that show it.
$(shell mkdir -p $(BUILD); \
	printf '%s' '$(subst ','\'',$(CC) $(CXX) $(CFLAGS_ALL) $(CXXFLAGS_ALL))' | cmp -s - $(BUILD)/flags || \
	printf '%s' '$(subst ','\'',$(CC) $(CXX) $(CFLAGS_ALL) $(CXXFLAGS_ALL))' > $(BUILD)/flags; \
	echo '#define FL_VERSION "$(VERSION)"' | cmp -s - $(BUILD)/version.h || echo '#define FL_VERSION "$(VERSION)"' > $(BUILD)/version.h)
SHOW_VERSION := $(patsubst %.c,$(BUILD)/%.o,$(shell grep -ls FL_VERSION $(CORE_C) core/cli/main.c))
$(SHOW_VERSION): $(BUILD)/version.h
$(SHOW_VERSION): VERSION_H := -include $(BUILD)/version.h

$(BUILD)/%.o: %.c $(BUILD)/flags | $(LUA_H)
	@mkdir -p $(@D); echo "  CC   $<"
	@$(CC) $(CFLAGS_ALL) $(VERSION_H) -c -o $@ $<

$(BUILD)/%.o: %.cc $(BUILD)/flags
	@mkdir -p $(@D); echo "  CXX  $<"
	@$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<

.SECONDARY: $(LUA_H)
$(BUILD)/core/script/prelude.o: $(wildcard core/script/*.lua)
# Lua that is part of the binary: prelude.lua becomes prelude.lua.h, a C string to be included as its initialiser.
$(BUILD)/%.lua.h: %.lua
	@mkdir -p $(@D); echo "  LUA  $<"
	@luajit -b $< /dev/null
	@sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $< > $@

# A plugin's own libraries stand in its first lines: /* libs: sqlite3 */
$(BUILD)/%.so: %.c core/fairlead.h $(BUILD)/flags
	@mkdir -p $(@D); echo "  SO   $<"
	@libs=$$(sed -n '1,5s|.*libs: *\([^*]*\).*|\1|p' $<); \
	$(CC) -std=gnu11 $(BASE) $(DEFS) -fvisibility=hidden -shared -Icore $(CFLAGS) $${libs:+$$(pkg-config --cflags $$libs)} -o $@ $< $${libs:+$$(pkg-config --libs $$libs)} -lm

# Unit tests: one program a file, with cmocka. Bench programs need no cmocka, fuzzers bring their own main().
$(BUILD)/tests/%: tests/%.c $(BUILD)/libfairlead.a
	@mkdir -p $(@D); echo "  TEST $<"
	@$(CC) $(CFLAGS_ALL) -Wno-missing-prototypes -Icore -DBUILD='"$(BUILD)"' -c -o $@.o $<
	@$(CXX) -rdynamic $(SAN) -pthread -o $@ $@.o $(WHOLE) $(TEST_LIBS) $(LIBS) $(LDFLAGS)
$(TESTS): TEST_LIBS := -lcmocka
$(FUZZ): TEST_LIBS := -fsanitize=fuzzer

.PHONY: run
run: packages-run ## builds and runs conf/$(APP).lua and shows what it makes; APP=yacht
	@$(MAKE_IN)=$(BUILD) all
	@BUILD=$(BUILD) tests/tools/show.sh conf/$(APP).lua

.PHONY: test check unit lint
test: packages-test ## everything: unit tests, lint, sanitizers, fuzzers, end to end; FUZZ_SECONDS=60
	@$(MAKE_IN)=$(BUILD) -j$$(nproc) all tests && BUILD=$(BUILD) tests/run.sh all
check: all tests ## unit tests and lint: what to type before a commit
	@BUILD=$(BUILD) tests/run.sh unit spec lint
unit: all tests
	@BUILD=$(BUILD) tests/run.sh unit
lint: ## clang-tidy, luacheck, shellcheck, and the rules of the layers
	@BUILD=$(BUILD) tests/run.sh lint

.PHONY: tests bench-programs fuzzers
tests: $(TESTS) $(BAD)
bench-programs: $(BENCH)
fuzzers: $(FUZZ)

.PHONY: asan tsan clang fuzz bench
TRAP := -fno-sanitize-recover=all
asan: ## unit tests and a short run with the address and undefined behaviour sanitizers
	@$(MAKE_IN)=build-asan SAN="-fsanitize=address,undefined $(TRAP) -Wno-format-truncation" OPT=-O1 all tests
	@BUILD=build-asan tests/run.sh unit short
tsan: ## unit tests and a short run with the thread sanitizer
	@$(MAKE_IN)=build-tsan SAN="-fsanitize=thread -fexceptions" OPT=-O1 all tests
	@BUILD=build-tsan tests/run.sh unit short
clang: ## builds everything with clang
	@$(MAKE_IN)=build-clang CC=clang CXX=clang++ all tests
fuzz: ## all fuzzers for FUZZ_SECONDS each, an hour where not given
	@$(MAKE_IN)=build-fuzz CC=clang CXX=clang++ SAN="-fsanitize=fuzzer-no-link,address,undefined $(TRAP)" fuzzers
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} BUILD=build-fuzz tests/run.sh fuzz
bench: all bench-programs ## how fast it is: a table, and bench.json
	@BUILD=$(BUILD) tests/bench/run.py

# clang-tidy looks at a file again when it, or a header, has changed.
TIDY := $(patsubst %,$(BUILD)/tidy/%,$(CORE_C) core/cli/main.c $(wildcard plugins/*.c))
.PHONY: tidy
tidy: $(TIDY)
$(BUILD)/tidy/%: % .clang-tidy $(wildcard core/*.h core/*/*.h core/*/*/*.h) | $(LUA_H)
	@mkdir -p $(@D); echo "  TIDY $<"
	@clang-tidy --quiet $< -- $(filter-out -MMD -MP -Werror,$(CFLAGS_ALL)) -include $(BUILD)/version.h -Icore 2>$@.err || { cat $@.err; exit 1; }
	@touch $@

.PHONY: packages-run packages-test
packages-run:
	@tests/tools/packages.sh $(RUN_PACKAGES)
packages-test:
	@tests/tools/packages.sh $(RUN_PACKAGES) $(TEST_PACKAGES)

SHARE := $(DESTDIR)$(PREFIX)/share
LIB   := $(DESTDIR)$(PREFIX)/lib/fairlead
.PHONY: install uninstall
install: all ## PREFIX=/usr/local DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(LIB)/plugins $(SHARE)/fairlead $(SHARE)/man/man1
	install -m 755 $(BUILD)/fairlead $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(PLUGINS) $(LIB)/plugins
	install -m 644 core/fairlead.h $(DESTDIR)$(PREFIX)/include
	install -m 644 core/cli/fairlead.1 $(SHARE)/man/man1
	cp -R --no-preserve=ownership scripts conf $(SHARE)/fairlead
uninstall: ## takes away what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/fairlead $(DESTDIR)$(PREFIX)/include/fairlead.h $(SHARE)/man/man1/fairlead.1
	rm -rf $(LIB) $(SHARE)/fairlead

.PHONY: fresh
fresh: ## the README's two commands in a new Debian 12 root; FRESH=test runs the tests there too; needs root
	@tests/tools/fresh.sh

.PHONY: clean help
clean: ## takes away what was built
	rm -rf $(BUILD) build-asan build-tsan build-clang build-fuzz
help:
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1@\2/p' Makefile | awk -F@ '{ printf "  make %-10s %s\n", $$1, $$2 }'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
