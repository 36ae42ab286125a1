# Builds one shared library with PGXS. Included by extension/Makefile and worker/Makefile, which
# the top-level Makefile runs in build/extension and build/worker: PGXS then keeps to that folder.
#
# Given: MODULE_big, SOURCES (from the top of the tree), LIBRARIES (archives), SHLIB_LINK, and DATA.

ifeq ($(shell command -v $(PG_CONFIG)),)
$(error $(PG_CONFIG) was not found: run "make deps", or say PG_CONFIG=/path/to/pg_config)
endif
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) names no PGXS, the server's development files: run "make deps")
endif

OBJS := $(SOURCES:.cpp=.o)
SHLIB_LINK := $(LIBRARIES) $(SHLIB_LINK) -lstdc++

# Modules are loaded RTLD_GLOBAL: without hidden symbols, two that share an inline function would
# run each other's. The folders that PGXS adds with -I are named here with -isystem, which wins and
# keeps the server's headers out of -Werror; both, or else libpq's copy of a header, which may be of
# another version, would be found before the server's. They use `register` up to version 15.
PG_CPPFLAGS = -I$(top) -isystem $(shell $(PG_CONFIG) --includedir-server) \
	-isystem $(shell $(PG_CONFIG) --pkgincludedir)/internal $(DEFINES) -MMD -MP
# g++ 12 takes an empty std::optional<std::string> for one that is read: -Wno-maybe-uninitialized.
PG_CXXFLAGS = -std=c++20 -Wextra $(WERROR) -Wno-register -Wno-maybe-uninitialized \
	-fvisibility=hidden -fvisibility-inlines-hidden

# No bitcode. It would let the JIT inline SQL functions into queries, but ours only write a row and
# set a flag, and hidden symbols, which they call, cannot be found from inlined code.
override with_llvm = no

include $(PGXS)

# The distributions' PGXS does not follow headers, hence the -MMD above and this.
-include $(OBJS:.o=.d)

$(OBJS): %.o: $(top)/%.cpp $(MAKEFILES_OF_MODULE)
	@mkdir -p $(@D)
	$(COMPILE.cc) -o $@ $<

$(shlib): $(LIBRARIES)
