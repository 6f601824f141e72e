# SPDX-License-Identifier: MIT
# What counts and samples the allocations of the program that it is preloaded into: libprofd-heap.so,
# and libprofd-heap-cxx.so for programs whose allocator has C++ operators of its own.

PRELOAD_SRC := $(wildcard preload/*.c)
PRELOAD_OBJ := $(PRELOAD_SRC:preload/%.c=$(B)/preload/%.o)
# It runs in other programs: no sanitizer; no call that the compiler makes a malloc of (-fno-builtin),
# nor of any other library but the C library. Optimised in any case: the probes' arguments have to
# lie in registers.
PRELOAD_CFLAGS := -std=gnu11 $(WARN) -g -fPIC -fvisibility=hidden -fno-builtin -fno-omit-frame-pointer \
	-fasynchronous-unwind-tables -fno-stack-protector -ftls-model=initial-exec $(filter-out -O%,$(CFLAGS)) -O2
PRELOAD_LDFLAGS := -shared -Wl,-z,relro,-z,now,-z,defs,-z,nodelete
PRELOAD_LIBS := libprofd-heap.so libprofd-heap-cxx.so

all: $(PRELOAD_LIBS:%=$(B)/%)

$(B)/libprofd-heap.so: $(filter-out %/operators.o,$(PRELOAD_OBJ))
$(B)/libprofd-heap-cxx.so: $(PRELOAD_OBJ)
$(PRELOAD_LIBS:%=$(B)/%):
	$(call say,LINK,$@)
	$(Q)$(CC) $(PRELOAD_LDFLAGS) -Wl,-soname,$(@F) -o $@ $^

$(B)/preload/%.o: preload/%.c $(B)/flags | $(B)/requirements
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -Iinclude $(PRELOAD_CFLAGS) -MMD -MP -c -o $@ $<

-include $(PRELOAD_OBJ:.o=.d)
