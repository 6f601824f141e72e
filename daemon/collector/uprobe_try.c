// SPDX-License-Identifier: MIT
/*
 * uprobe_try.c - which ways to attach uprobes a kernel has: each is tried with a program that
 * counts, on a function of this process that is then called. That multi-uprobes are there does not
 * suffice, since at first their pid filter let only the thread of that number through, and the
 * program of no other thread ran.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/bpf.h>
#include <time.h>
#include <unistd.h>

#include "collector/uprobe_kernel.h"
#include "helper/process.h"
#include "util/cleanup.h"

/* Of a way that does not seem to be there. */
#define TRIALS 3

/* ---- the place ------------------------------------------------------------------------------ */

static __attribute__((noinline, noclone)) void visited(void)
{
	/* Its first instruction is one that kernels emulate, this or one before it. */
	__asm__ volatile("nop" ::: "memory");
}

/* A return is one that no kernel emulates. */
void uprobe_try_visit(void);
extern const char uprobe_try_ret[];

__asm__(".text\n.hidden uprobe_try_visit, uprobe_try_ret\n.globl uprobe_try_visit, uprobe_try_ret\n"
	"uprobe_try_visit:\nnop\nuprobe_try_ret:\nret\n");

struct place {
	uintptr_t address;
	uint64_t offset;
	bool found;
};

/* Looks into the program itself only, which comes first. */
static int find_segment(struct dl_phdr_info *info, size_t size, void *userdata)
{
	struct place *place = userdata;
	uintptr_t address = place->address - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || address < ph->p_vaddr ||
			address - ph->p_vaddr >= ph->p_filesz)
			continue;
		place->offset = address - ph->p_vaddr + ph->p_offset;
		place->found = true;
	}
	return 1;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* As the kernel knows instructions (include/uapi/linux/bpf.h): opcode, registers, constant. */
#define INSN(code_, dst, src, imm_)                                                \
	{                                                                          \
		.code = (code_), .dst_reg = (dst), .src_reg = (src), .imm = (imm_) \
	}

/* Adds one to the map's only value. A descriptor or -errno. */
static int load_counter(int map, uint32_t attach_type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_type);
	const struct bpf_insn insns[] = {
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, map),
		INSN(0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 1),
		INSN(BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_1, BPF_REG_2, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0),
	};

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "profd_try", "GPL", insns,
		sizeof(insns) / sizeof(*insns), &options);
}

/* ---------------------------------------------------------------------------------------------- */

struct attempt {
	const struct uprobe_pmu *pmu;
	struct uprobe_place place;
	void (*visit)(void);
	int file, map;
};

static int attach(const struct attempt *a, const struct uprobe_request *request, bool cookies)
{
	return request->way == UPROBE_PERF ? uprobe_attach_perf(a->pmu, request, &a->place, cookies)
					   : uprobe_attach_multi(request);
}

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The best of some rounds, since others want the CPU, too. */
static uint64_t time_visits(const struct attempt *a)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < 8; round++) {
		uint64_t start = nanoseconds(), took;

		for (int i = 0; i < 100; i++)
			a->visit();
		took = (nanoseconds() - start) / 100;
		best = took < best ? took : best;
	}
	return best;
}

/* How often the program ran for one visit; 0 also where it cannot be attached. ns, if not NULL:
 * what a visit costs. */
static uint64_t count_visits(
	const struct attempt *a, enum uprobe_way way, bool cookies, uint64_t *ns)
{
	static const uint32_t attach_types[] = {
		[UPROBE_MULTI] = UPROBE_ATTACH_MULTI,
		[UPROBE_SESSION] = UPROBE_ATTACH_SESSION,
	};
	_cleanup_close_ int program = load_counter(a->map, attach_types[way]);
	struct uprobe_request request = {
		.way = way,
		.program = program,
		.file = a->file,
		.pid = getpid(),
		.places = &a->place,
		.n_places = 1,
	};
	uint64_t before = 0, after = 0;
	uint32_t key = 0;

	if (program < 0)
		return 0;
	int link = attach(a, &request, cookies);

	if (link < 0)
		return 0;
	if (!bpf_map_lookup_elem(a->map, &key, &before)) {
		a->visit();
		if (bpf_map_lookup_elem(a->map, &key, &after))
			after = before;
	}
	if (ns && after > before)
		*ns = time_visits(a);
	/* A helper that is started now would hold it, and the next trial would count for it, too.
	 */
	helper_close_apart(link);
	return after - before;
}

static uint64_t offset_of(uintptr_t address, bool *found)
{
	struct place place = {.address = address};

	dl_iterate_phdr(find_segment, &place);
	*found &= place.found;
	return place.offset;
}

int uprobe_try(const struct uprobe_pmu *pmu, struct uprobe_support *support)
{
	bool found = true;
	struct attempt a = {
		.pmu = pmu,
		.place.offset = offset_of((uintptr_t)visited, &found),
		.visit = visited,
	};
	uint64_t ret = offset_of((uintptr_t)uprobe_try_ret, &found);
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int map = bpf_map_create(
		BPF_MAP_TYPE_ARRAY, "profd_try", sizeof(uint32_t), sizeof(uint64_t), 1, NULL);

	*support = (struct uprobe_support){0};
	if (file < 0)
		return -errno;
	if (map < 0)
		return map;
	if (!found)
		return -ENOENT;
	a.file = file;
	a.map = map;

	support->events = count_visits(&a, UPROBE_PERF, false, &support->trap_ns) == 1;
	support->cookies = support->events && count_visits(&a, UPROBE_PERF, true, NULL) == 1;
	/* What is seen once is there; what is not seen may have been missed. At the entry and at
	 * the return, of sessions. */
	for (int i = 0; i < TRIALS && !support->multi; i++)
		support->multi = count_visits(&a, UPROBE_MULTI, true, &support->trap_ns) == 1;
	for (int i = 0; i < TRIALS && support->multi && !support->session; i++)
		support->session = count_visits(&a, UPROBE_SESSION, true, NULL) == 2;
	a.place.offset = ret;
	a.visit = uprobe_try_visit;
	count_visits(&a, support->multi ? UPROBE_MULTI : UPROBE_PERF, false, &support->step_ns);
	return 0;
}
