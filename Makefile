# Fairlead. `make run` shows the yachts; `make test` checks everything; `make help` lists the rest.
CC     ?= gcc
CXX    ?= g++
BUILD  ?= build
OPT    ?= -O2
SAN    ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)

WARN   := -Wall -Wextra -Werror -Wshadow -Wwrite-strings -Wvla
PKGS   := luajit lmdb sqlite3 libxxhash
DEFS   := -D_GNU_SOURCE -DFL_VERSION='"$(VERSION)"'
BASE   := $(OPT) -g -fno-omit-frame-pointer -fPIC -pthread $(WARN) $(SAN) -MMD -MP
CFLAGS_ALL   = -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes $(BASE) $(DEFS) $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
CXXFLAGS_ALL = -std=c++17 $(BASE) $(DEFS) -fno-exceptions -fno-rtti $(CXXFLAGS)
LIBS   := -lluajit-5.1 -llmdb -lsqlite3 -lsimdjson -lxxhash -lstdc++ -lm -ldl -lpthread

CORE_C  := $(filter-out core/cli/main.c,$(wildcard core/*/*.c core/*/*/*.c))
CORE_CC := $(wildcard core/*/*.cc)
CORE_O  := $(CORE_C:%.c=$(BUILD)/%.o) $(CORE_CC:%.cc=$(BUILD)/%.o)
PLUGINS := $(patsubst plugins/%.c,$(BUILD)/plugins/%.so,$(wildcard plugins/*.c))
TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/base/*.c tests/event/*.c tests/stream/*.c tests/state/*.c tests/script/*.c tests/plugin/*.c tests/plan/*.c tests/run/*.c tests/cli/*.c tests/plugins/*.c))

.PHONY: all
all: $(BUILD)/fairlead $(PLUGINS)

$(BUILD)/fairlead: $(BUILD)/core/cli/main.o $(BUILD)/libfairlead.a
	@echo "  LD   $@"
	@$(CXX) -rdynamic $(SAN) -pthread -o $@ $< -Wl,--whole-archive $(BUILD)/libfairlead.a -Wl,--no-whole-archive $(LIBS) $(LDFLAGS)

$(BUILD)/libfairlead.a: $(CORE_O)
	@rm -f $@; ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D); echo "  CC   $<"
	@$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D); echo "  CXX  $<"
	@$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<

# A plugin's own libraries stand in its first lines: /* libs: sqlite3 */
$(BUILD)/plugins/%.so: plugins/%.c core/fairlead.h
	@mkdir -p $(@D); echo "  SO   $<"
	@libs=$$(sed -n '1,5s|.*libs: *\([^*]*\).*|\1|p' $<); \
	$(CC) -std=gnu11 $(BASE) $(DEFS) -fvisibility=hidden -shared -Icore $(CFLAGS) $${libs:+$$(pkg-config --cflags $$libs)} -o $@ $< $${libs:+$$(pkg-config --libs $$libs)} -lm

# Unit tests: one program a file, with cmocka.
$(BUILD)/tests/%: tests/%.c $(BUILD)/libfairlead.a
	@mkdir -p $(@D); echo "  TEST $<"
	@$(CC) $(CFLAGS_ALL) -Wno-missing-prototypes -Icore -DBUILD='"$(BUILD)"' -rdynamic -c -o $@.o $<
	@$(CXX) -rdynamic $(SAN) -pthread -o $@ $@.o -Wl,--whole-archive $(BUILD)/libfairlead.a -Wl,--no-whole-archive -lcmocka $(LIBS) $(LDFLAGS)

.PHONY: unit
unit: all $(TESTS)
	@for t in $(TESTS); do echo "  RUN  $$t"; $$t || exit 1; done

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
