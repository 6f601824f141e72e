// SPDX-License-Identifier: MIT
#include "collector/heap_probes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/bpf_host.h"
#include "collector/counts.h"
#include "collector/heap_places.h"
#include "collector/sessions.h"

/* rdi, rsi, rdx: the first three arguments of a function (System V ABI, AMD64), where the preload
 * library has those of its probes. */
static const uint8_t usual_registers[PROFD_PROBE_ARGUMENTS] = {5, 4, 1};

struct heap_probes {
	unsigned references;
	struct bpf_host *bpf;
	uint32_t slot, session;
	struct heap_places *places;
	struct profd_probe *shared; /* of all sessions; session 0: a free entry */
};

int heap_probes_new(struct heap_probes **out, struct bpf_host *bpf, const struct session *session)
{
	struct profd_probe *shared = bpf_host_probes(bpf);
	struct heap_probes *p;

	if (!bpf_host_features(bpf)->cookies &&
		(shared[PROFD_PROBE_ALLOC].session || shared[PROFD_PROBE_FREE].session))
		return -EBUSY;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->places = heap_places_new(bpf_host_counts(bpf));
	if (!p->places) {
		free(p);
		return -ENOMEM;
	}
	p->references = 1;
	p->bpf = bpf;
	p->slot = session_slot(session);
	p->session = session_id(session);
	p->shared = shared;
	*out = p;
	return 0;
}

struct heap_probes *heap_probes_ref(struct heap_probes *p)
{
	p->references++;
	return p;
}

void heap_probes_unref(struct heap_probes *p)
{
	if (!p || --p->references)
		return;
	for (size_t i = 0; i < PROFD_PROBES; i++)
		if (p->shared[i].session == p->session)
			__atomic_store_n(&p->shared[i].session, 0, __ATOMIC_RELEASE);
	heap_places_free(p->places);
	free(p);
}

static struct profd_argument translate(const struct heap_argument *a)
{
	static const uint8_t kinds[] = {
		[HEAP_CONSTANT] = PROFD_ARGUMENT_CONSTANT,
		[HEAP_REGISTER] = PROFD_ARGUMENT_REGISTER,
		[HEAP_MEMORY] = PROFD_ARGUMENT_MEMORY,
	};

	return (struct profd_argument){
		.kind = kinds[a->kind],
		.bits = (uint8_t)(a->size * 8),
		.is_signed = a->is_signed,
		.base = a->base,
		.index = a->kind == HEAP_MEMORY ? a->index : HEAP_NO_REGISTER,
		.scale = (uint8_t)(a->scale ? __builtin_ctz(a->scale) : 0),
		.offset = a->value,
	};
}
_Static_assert(HEAP_ARGUMENT_IP == PROFD_REGISTERS, "the probe's address comes behind registers");
_Static_assert(HEAP_ARGUMENTS == PROFD_PROBE_ARGUMENTS, "as many as the probes have");

static bool is_usual(const struct heap_probe *probe)
{
	for (size_t i = 0; i < probe->n_arguments; i++) {
		const struct heap_argument *a = &probe->arguments[i];

		if (a->kind != HEAP_REGISTER || a->size != 8 || a->base != usual_registers[i])
			return false;
	}
	return true;
}

/* The session last: the programs look at the rest only if that is set. */
static void publish(struct profd_probe *to, const struct profd_probe *probe)
{
	to->slot = probe->slot;
	to->function = probe->function;
	to->nests = probe->nests;
	to->untracked = probe->untracked;
	memcpy(to->arguments, probe->arguments, sizeof(to->arguments));
	__atomic_store_n(&to->session, probe->session, __ATOMIC_RELEASE);
}

/* An entry that says this, or one that comes to. */
static int share(struct heap_probes *p, const struct profd_probe *wanted, uint64_t *cookie)
{
	size_t i, free_one = PROFD_PROBES;

	for (i = 0; i < PROFD_PROBES; i++) {
		if (!memcmp(&p->shared[i], wanted, sizeof(*wanted)))
			break;
		if (!p->shared[i].session && free_one == PROFD_PROBES)
			free_one = i;
	}
	if (i == PROFD_PROBES)
		i = free_one;
	if (i == PROFD_PROBES)
		return -ENOSPC;
	publish(&p->shared[i], wanted);
	*cookie = i;
	return 0;
}

static bool have_cookies(const struct heap_probes *p)
{
	const struct bpf_features *features = bpf_host_features(p->bpf);

	return features->cookies || features->uprobe_way != UPROBE_PERF;
}

struct heap_places *heap_probes_places(struct heap_probes *p)
{
	return p->places;
}

int heap_probes_find(struct heap_probes *p, const struct heap_probe *probe, uint64_t *cookie)
{
	struct profd_probe wanted = {.slot = p->slot, .session = p->session};
	int r;

	for (size_t i = 0; i < probe->n_arguments; i++)
		wanted.arguments[i] = translate(&probe->arguments[i]);
	if (have_cookies(p)) {
		r = share(p, &wanted, cookie);
		*cookie |= r ? 0 : heap_places_cookie(p->places, probe, probe->offset);
		return r;
	}
	if (!is_usual(probe))
		return -EOPNOTSUPP;
	publish(&p->shared[probe->kind == HEAP_PROBE_FREE ? PROFD_PROBE_FREE : PROFD_PROBE_ALLOC],
		&wanted);
	*cookie = 0;
	return 0;
}

/* What malloc and calloc of these call is none of their functions; nor is it of malloc itself,
 * wherever. All others may call one: memalign of glibc, when malloc would do as well. */
static bool nests(enum heap_allocator allocator, const struct heap_site *site)
{
	bool closed = allocator == HEAP_JEMALLOC || allocator == HEAP_TCMALLOC;

	switch (site->function) {
	case HEAP_MALLOC:
		return !closed && strcmp(site->name, "malloc") != 0;
	case HEAP_CALLOC:
		return !closed && allocator != HEAP_GLIBC;
	default:
		return true;
	}
}

/* place: its part of the cookie. */
static int share_metered(struct heap_probes *p, const struct profd_probe *wanted, unsigned meter,
	uint64_t place, uint64_t *cookie)
{
	int r = have_cookies(p) ? share(p, wanted, cookie) : -EOPNOTSUPP;

	*cookie |= r ? 0 : (uint64_t)meter << PROFD_METER_SHIFT | place;
	return r;
}

int heap_probes_find_function(struct heap_probes *p, enum heap_allocator allocator,
	const struct heap_site *site, unsigned meter, bool untracked, uint64_t *cookie)
{
	static const uint32_t functions[HEAP_FUNCTIONS] = {
		[HEAP_MALLOC] = PROFD_FUNCTION_MALLOC,
		[HEAP_CALLOC] = PROFD_FUNCTION_CALLOC,
		[HEAP_REALLOC] = PROFD_FUNCTION_REALLOC,
		[HEAP_REALLOCARRAY] = PROFD_FUNCTION_REALLOCARRAY,
		[HEAP_POSIX_MEMALIGN] = PROFD_FUNCTION_POSIX_MEMALIGN,
		[HEAP_ALIGNED] = PROFD_FUNCTION_ALIGNED,
		[HEAP_FREE] = PROFD_FUNCTION_FREE,
	};
	struct profd_probe wanted = {
		.slot = p->slot,
		.session = p->session,
		.function = functions[site->function],
		.nests = nests(allocator, site),
		.untracked = untracked,
	};

	for (size_t i = 0; i < PROFD_PROBE_ARGUMENTS; i++)
		wanted.arguments[i].base = site->registers[i];
	return share_metered(
		p, &wanted, meter, heap_places_cookie(p->places, site, site->probe), cookie);
}

int heap_probes_find_ret(
	struct heap_probes *p, const uint64_t *ret, unsigned meter, uint64_t *cookie)
{
	const struct profd_probe wanted = {
		.slot = p->slot,
		.session = p->session,
		.function = PROFD_FUNCTION_MALLOC,
	};

	return share_metered(p, &wanted, meter, heap_places_cookie(p->places, ret, *ret), cookie);
}
