/* SPDX-License-Identifier: MIT */
/*
 * heap_sites.h - where in an ELF file the probes of a heap profile go: the functions of an
 * allocator, and the USDT probes otel_memory:alloc and otel_memory:free. The unwinder helper finds
 * them (daemon/sites/); here they are asked for once and kept with the module.
 *
 * An allocator's functions call each other: realloc calls malloc, posix_memalign calls
 * aligned_alloc, an operator new of a pool may call malloc. Who probes them all counts the
 * outermost call of a thread only.
 */
#ifndef PROFD_COLLECTOR_HEAP_SITES_H
#define PROFD_COLLECTOR_HEAP_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_MAX_SITES	128
#define HEAP_MAX_PROBES 512
#define HEAP_MAX_RETS	256
#define HEAP_MAX_NAME	40
#define HEAP_ARGUMENTS	3

struct module;
struct unwinder;

enum heap_allocator {
	HEAP_UNKNOWN,
	HEAP_GLIBC,
	HEAP_MUSL,
	HEAP_JEMALLOC,
	HEAP_TCMALLOC,
	HEAP_MIMALLOC,
	HEAP_ALLOCATORS,
};

/* What a function does, and which of its arguments (1 is the first) say so. All but the last return
 * the memory, or NULL; POSIX_MEMALIGN writes it to *argument 1 and returns 0, or an error. */
enum heap_function {
	HEAP_MALLOC,	     /* size 1 (malloc, valloc, operator new, …) */
	HEAP_CALLOC,	     /* count 1, size 2 */
	HEAP_REALLOC,	     /* old memory 1, size 2 */
	HEAP_REALLOCARRAY,   /* old memory 1, count 2, size 3 */
	HEAP_POSIX_MEMALIGN, /* where to 1, size 3 */
	HEAP_ALIGNED,	     /* size 2 (aligned_alloc, memalign) */
	HEAP_FREE,	     /* memory 1 (free, operator delete, …) */
	HEAP_FUNCTIONS,
};

/* Bits of the arguments named above; 1 is that of the first. */
static inline unsigned heap_function_arguments(enum heap_function function)
{
	static const uint8_t arguments[HEAP_FUNCTIONS] = {
		[HEAP_MALLOC] = 1,
		[HEAP_CALLOC] = 1 | 2,
		[HEAP_REALLOC] = 1 | 2,
		[HEAP_REALLOCARRAY] = 1 | 2 | 4,
		[HEAP_POSIX_MEMALIGN] = 1 | 4,
		[HEAP_ALIGNED] = 2,
		[HEAP_FREE] = 1,
	};

	return arguments[function];
}

/* A function. Whatever names it has, it is one site. */
struct heap_site {
	uint64_t entry; /* of its first instruction, file offset as all offsets here */
	/* Where a probe costs least: every call comes by once, with the arguments that its function
	 * needs in `registers`. Unless it is HEAP_FREE, the return address still lies at the stack
	 * pointer, so that a return probe can be there as well. It is the entry if there is no
	 * better place. */
	uint64_t probe;
	uint8_t function; /* enum heap_function */
	uint8_t emulated; /* 0: the kernel single-steps the instruction at `probe` (two traps) */
	/* DWARF numbers, of argument 1 first. They need not be those of the ABI: at `probe` an
	 * argument may have moved. HEAP_NO_REGISTER: the function does not need it. */
	uint8_t registers[HEAP_ARGUMENTS];
	/* 1: it throws where others return NULL. No exception passes a return probe: the program
	 * would end. */
	uint8_t throws;
	/* 1: it throws, and all rets by which it can be left are among heap_sites.rets. An
	 * exception does not pass those. */
	uint8_t followed;
	uint8_t pad;
	char name[HEAP_MAX_NAME];
};

enum heap_argument_kind {
	HEAP_CONSTANT, /* value */
	HEAP_REGISTER, /* base */
	HEAP_MEMORY,   /* at base + index * scale + value; either may be HEAP_NO_REGISTER */
};

#define HEAP_NO_REGISTER 0xff

/* One argument of a USDT probe. Registers are DWARF numbers; HEAP_ARGUMENT_IP counts from the
 * probe's own address, as regs->ip is in a uprobe's program. */
#define HEAP_ARGUMENT_IP 16
struct heap_argument {
	uint8_t kind; /* enum heap_argument_kind */
	uint8_t size; /* bytes: 1, 2, 4, 8 */
	uint8_t is_signed;
	uint8_t base, index;
	uint8_t scale; /* 1, 2, 4, 8 */
	uint8_t pad[2];
	int64_t value;
};

enum heap_probe_kind {
	HEAP_PROBE_ALLOC, /* pointer, size, weighted bytes */
	HEAP_PROBE_FREE,  /* pointer */
};

/* Why a probe cannot be used. */
enum heap_probe_flaw {
	HEAP_PROBE_GOOD,
	HEAP_PROBE_PLACE,     /* not in code that is loaded from the file */
	HEAP_PROBE_COUNTER,   /* its semaphore is not in data that is loaded from the file */
	HEAP_PROBE_FEW,	      /* it has too few arguments */
	HEAP_PROBE_ARGUMENTS, /* an argument cannot be understood */
	HEAP_PROBE_FLAWS,
};

struct heap_probe {
	uint64_t offset;
	uint64_t counter;    /* of the semaphore, a ref_ctr_offset; 0: it has none */
	uint8_t kind;	     /* enum heap_probe_kind */
	uint8_t flaw;	     /* enum heap_probe_flaw; without one, all else is set */
	uint8_t n_arguments; /* of what follows: 3 or 1 */
	uint8_t emulated;    /* as of a site */
	uint8_t pad[4];
	struct heap_argument arguments[HEAP_ARGUMENTS];
};

/* What a module has; nothing at all is no error. Sites, probes and rets are in order of their
 * offsets (`entry` of sites), without doubles. */
struct heap_sites {
	enum heap_allocator allocator; /* if it has sites */
	bool no_symbols; /* it names none of its functions: nobody can say whether it is one */
	bool incomplete; /* it has more than HEAP_MAX_… */
	size_t n_sites, n_probes, n_rets;
	const struct heap_site *sites;
	const struct heap_probe *probes;
	/* Of all sites that are followed. At each the return address lies at the stack pointer, as
	 * at the site's probe. Others may leave by them, too. The kernel single-steps a ret. */
	const uint64_t *rets;
};

/* error: 0, or -errno as of unwinder_opened (unwinder.h). sites are the module's: valid as long as
 * that lives; NULL with an error. */
typedef void (*heap_sites_done)(
	void *userdata, struct module *module, int error, const struct heap_sites *sites);

/* Asks for a module's sites, the helper only once, and waits for its file if that is still being
 * opened. Holds a reference on the module until `done` was called, which can be before this
 * returns: when they are known. 0, or -errno: it will not be called. When the unwinder is freed,
 * requests end with -ECANCELED. */
int heap_sites_ask(struct unwinder *u, struct module *module, heap_sites_done done, void *userdata);
/* If they are known already; NULL if not. */
const struct heap_sites *heap_sites_of(const struct module *module);

/* "glibc", "jemalloc", …; "unknown". */
const char *heap_allocator_name(enum heap_allocator allocator);
/* Half a sentence, "its semaphore is not in the file's data"; "" for HEAP_PROBE_GOOD. */
const char *heap_probe_explain(enum heap_probe_flaw flaw);

#endif
