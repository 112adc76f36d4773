# stoker: one plain Makefile, gcc or clang, C11.
#
#   make            the program: build/stoker
#   make demo       installs what is missing, builds, answers a prompt with experts streaming from disk
#   make check      installs what is missing, builds, runs all tests
#   make bench      kernel rates and the roofs of this machine
#   make asan       everything again under AddressSanitizer and UBSan, tests included
#   make tidy       include layers, include circles, formatting
#   make install    PREFIX=/usr/local
#
# Objects follow the sources: src/base/arena.c -> build/obj/base/arena.o; one archive a layer.

CC     ?= gcc
BUILD  ?= build
PREFIX ?= /usr/local
OPT    ?= -O2
SAN    ?=

CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -Isrc -Iinclude -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
             -Wno-missing-field-initializers -g $(OPT) -ffp-contract=off -fno-math-errno -fno-strict-aliasing -pthread $(SAN) $(CFLAGS)
LDFLAGS_ALL = -pthread $(SAN) $(LDFLAGS)
LDLIBS     = -luring -lpcre2-8 -ljansson -lxxhash -lm

# The scalar tier is the law: no tier flags, no vectoriser (gcc 12 miscompiles scalar int8 sums with them).
TIER_scalar = -O2 -fno-tree-vectorize -fno-tree-slp-vectorize
TIER_avx2   = -O3 -mavx2 -mfma -mf16c
TIER_avx512 = -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c
tier        = $(if $(findstring /kernel/,$1),$(if $(filter %_scalar.c,$1),$(TIER_scalar),$(if $(filter %_avx2.c,$1),$(TIER_avx2),$(if $(filter %_avx512.c,$1),$(TIER_avx512)))))

LAYERS  = cli engine text model store op kernel format base
SRC     = $(foreach l,$(LAYERS),$(wildcard src/$l/*.c))
OBJ     = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(SRC))
archive = $(foreach l,$1,$(BUILD)/lib$l.a)
# link order: every layer before the layers it uses
ENGINE  = $(call archive,engine text model store op kernel format base)

UNITS   = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
DRIVERS = $(patsubst tests/%.c,%,$(wildcard tests/*.c))
UNIT_BIN   = $(patsubst %,$(BUILD)/tests/unit/%,$(UNITS))
DRIVER_BIN = $(patsubst %,$(BUILD)/tests/%,$(DRIVERS))
EXAMPLES   = $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))

all: deps-check $(BUILD)/stoker $(EXAMPLES)

deps:
	@sh tools/deps.sh
deps-check:
	@sh tools/deps.sh --check

$(BUILD)/stoker: $(call archive,cli) $(ENGINE)
	$(CC) $(LDFLAGS_ALL) -o $@ $(wildcard $(BUILD)/obj/cli/*.o) $(ENGINE) $(LDLIBS)

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(call tier,$<) -MMD -MP -c -o $@ $<

define layer_rule
$(BUILD)/lib$1.a: $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/$1/*.c))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$l)))

# A test names the layers that it links, in link order, in its first line: /* links: format base ... */
links = $(shell sed -n '1s,.*links: \([a-z ]*\).*,\1,p' $1)
.SECONDEXPANSION:
$(BUILD)/tests/%: tests/%.c $(wildcard tests/*.h) $$(call archive,$$(call links,tests/$$*.c))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests -o $@ $< $(call archive,$(call links,$<)) $(LDFLAGS_ALL) -lcmocka $(LDLIBS)
$(BUILD)/examples/%: examples/%.c $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $< $(ENGINE) $(LDFLAGS_ALL) $(LDLIBS)

tests: deps-check $(BUILD)/stoker $(UNIT_BIN) $(DRIVER_BIN) $(EXAMPLES)

demo: deps
	@$(MAKE) --no-print-directory all
	@sh tools/demo.sh $(BUILD)/stoker

check: deps
	@$(MAKE) --no-print-directory tests
	@BUILD=$(BUILD) sh tests/check.sh

bench: all $(DRIVER_BIN)
	$(BUILD)/tests/kernels --bench

asan:
	@sh tools/deps.sh
	@$(MAKE) --no-print-directory BUILD=build-asan OPT="-O1 -fno-omit-frame-pointer" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" tests
	@BUILD=build-asan sh tests/check.sh

tidy:
	@sh tests/tidy.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/stoker
	install -m 755 $(BUILD)/stoker $(DESTDIR)$(PREFIX)/bin/stoker
	install -m 644 models/ember/ember.gguf $(DESTDIR)$(PREFIX)/share/stoker/ember.gguf

clean:
	rm -rf build build-asan build-clang

-include $(OBJ:.o=.d)
.PHONY: all deps deps-check tests demo check bench asan tidy install clean
.SECONDARY:
