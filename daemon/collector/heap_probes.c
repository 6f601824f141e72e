// SPDX-License-Identifier: MIT
#include "collector/heap_probes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/bpf_host.h"
#include "collector/heap_sites.h"
#include "collector/sessions.h"

/* rdi, rsi, rdx: the first three arguments of a function (System V ABI, AMD64), where the preload
 * library has those of its probes. */
static const uint8_t usual_registers[PROFD_PROBE_ARGUMENTS] = {5, 4, 1};

struct heap_probes {
	struct bpf_host *bpf;
	uint32_t slot, session;
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
	p->bpf = bpf;
	p->slot = session_slot(session);
	p->session = session_id(session);
	p->shared = shared;
	*out = p;
	return 0;
}

void heap_probes_free(struct heap_probes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < PROFD_PROBES; i++)
		if (p->shared[i].session == p->session)
			__atomic_store_n(&p->shared[i].session, 0, __ATOMIC_RELEASE);
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
	memcpy(to->arguments, probe->arguments, sizeof(to->arguments));
	__atomic_store_n(&to->session, probe->session, __ATOMIC_RELEASE);
}

int heap_probes_find(struct heap_probes *p, const struct heap_probe *probe, uint64_t *cookie)
{
	struct profd_probe wanted = {.slot = p->slot, .session = p->session};
	size_t i, free_one = PROFD_PROBES;

	for (i = 0; i < probe->n_arguments; i++)
		wanted.arguments[i] = translate(&probe->arguments[i]);
	if (!bpf_host_features(p->bpf)->cookies) {
		if (!is_usual(probe))
			return -EOPNOTSUPP;
		*cookie = probe->kind == HEAP_PROBE_FREE ? PROFD_PROBE_FREE : PROFD_PROBE_ALLOC;
		publish(&p->shared[*cookie], &wanted);
		return 0;
	}
	for (i = 0; i < PROFD_PROBES; i++) {
		if (!memcmp(&p->shared[i], &wanted, sizeof(wanted)))
			break;
		if (!p->shared[i].session && free_one == PROFD_PROBES)
			free_one = i;
	}
	if (i == PROFD_PROBES)
		i = free_one;
	if (i == PROFD_PROBES)
		return -ENOSPC;
	publish(&p->shared[i], &wanted);
	*cookie = i;
	return 0;
}
