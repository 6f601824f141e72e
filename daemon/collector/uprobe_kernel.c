// SPDX-License-Identifier: MIT
/*
 * Sources: perf_event_open(2); Linux
 * Documentation/ABI/testing/sysfs-bus-event_source-devices-uprobe; include/uapi/linux/bpf.h
 * (BPF_LINK_CREATE). Attributes are laid out here, since libbpf and the headers of Debian 12 do not
 * know all of them.
 */
#include "collector/uprobe_kernel.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#define DEVICE		  "/sys/bus/event_source/devices/uprobe/"
#define CMD_LINK_CREATE	  28 /* BPF_LINK_CREATE */
#define ATTACH_PERF	  41 /* BPF_PERF_EVENT */
#define MULTI_FLAG_RETURN 1
#define MAX_COUNTER	  UINT32_MAX
#define LINK_BACK	  "/proc/self/fd/%d"
#define LINK_BACK_SIZE	  32

/* ---- the PMU -------------------------------------------------------------------------------- */

static int read_line(const char *path, char *line, int size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f)
		return errno == ENOENT ? -ENOTSUP : -errno;
	return fgets(line, size, f) ? 0 : -EIO;
}

/* Where a field of config begins: "config:32-63", or "config:0". */
static int read_field(const char *path, unsigned *shift)
{
	char line[64];
	int r = read_line(path, line, sizeof(line));

	if (r)
		return r;
	return sscanf(line, "config:%u", shift) == 1 && *shift < 64 ? 0 : -ENOTSUP;
}

int uprobe_pmu_read(struct uprobe_pmu *pmu)
{
	char line[64];
	unsigned shift;
	int r = read_line(DEVICE "type", line, sizeof(line));

	if (r)
		return r;
	pmu->type = (uint32_t)strtoul(line, NULL, 10);
	r = read_field(DEVICE "format/retprobe", &shift);
	if (r)
		return r;
	pmu->at_return = 1ULL << shift;
	return read_field(DEVICE "format/ref_ctr_offset", &pmu->counter_shift);
}

/* ---- links ---------------------------------------------------------------------------------- */

/* The part of union bpf_attr that BPF_LINK_CREATE takes. */
struct link_create {
	uint32_t program, target, attach_type, flags;
	union {
		struct {
			uint64_t cookie;
		} perf;
		struct {
			uint64_t path, offsets, counters, cookies;
			uint32_t n, flags, pid;
		} multi;
	};
};

/* A descriptor or -errno. Kernels take more bytes than they know if those are zero. */
static int create_link(const struct link_create *link)
{
	long fd = syscall(SYS_bpf, CMD_LINK_CREATE, link, sizeof(*link));

	return fd < 0 ? -errno : (int)fd;
}

/* What the file's descriptor is found by. That works for files without a name, too. */
static void name_file(int file, char path[LINK_BACK_SIZE])
{
	snprintf(path, LINK_BACK_SIZE, LINK_BACK, file);
}

static int open_event(const struct uprobe_pmu *pmu, const struct uprobe_request *request,
	const struct uprobe_place *place)
{
	char path[LINK_BACK_SIZE];
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = pmu->type,
		.config = place->counter << pmu->counter_shift,
		.uprobe_path = (uintptr_t)path,
		.probe_offset = place->offset,
	};
	long fd;

	if (request->at_return)
		attr.config |= pmu->at_return;
	name_file(request->file, path);
	/* Of any CPU: programs run on all, whatever the event counts. */
	fd = syscall(SYS_perf_event_open, &attr, request->pid,
		request->pid == UPROBE_EVERYWHERE ? 0 : -1, -1,
		(unsigned long)PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

int uprobe_attach_perf(const struct uprobe_pmu *pmu, const struct uprobe_request *request,
	const struct uprobe_place *place, bool cookies)
{
	_cleanup_close_ int event = open_event(pmu, request, place);

	if (event < 0)
		return event;
	if (cookies) {
		struct link_create link = {
			.program = (uint32_t)request->program,
			.target = (uint32_t)event,
			.attach_type = ATTACH_PERF,
			.perf.cookie = place->cookie,
		};

		return create_link(&link); /* it holds the event */
	}
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, request->program) < 0)
		return -errno;
	return take_fd(event);
}

/* The kernel finds the memory of a process by its first thread. Where that has ended while others
 * go on, it would attach to nothing without a word; with perf events it says ESRCH. */
static bool first_thread_lives(pid_t pid)
{
	char path[64], stat[512] = "";
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_line(path, stat, sizeof(stat)))
		return false;
	state = strrchr(stat, ')');
	return state && strlen(state) > 2 && state[2] != 'Z' && state[2] != 'X';
}

/* One array for each of the fields. */
static void spread(const struct uprobe_request *request, uint64_t *offsets, uint64_t *counters,
	uint64_t *cookies)
{
	for (size_t i = 0; i < request->n_places; i++) {
		offsets[i] = request->places[i].offset;
		counters[i] = request->places[i].counter;
		cookies[i] = request->places[i].cookie;
	}
}

int uprobe_attach_multi(const struct uprobe_request *request)
{
	size_t n = request->n_places;
	_cleanup_free_ uint64_t *arrays = calloc(3 * n, sizeof(*arrays));
	bool session = request->way == UPROBE_SESSION;
	char path[LINK_BACK_SIZE];
	struct link_create link = {
		.program = (uint32_t)request->program,
		.attach_type = session ? UPROBE_ATTACH_SESSION : UPROBE_ATTACH_MULTI,
		.multi =
			{
				.path = (uintptr_t)path,
				.offsets = (uintptr_t)arrays,
				.counters = (uintptr_t)(arrays + n),
				.cookies = (uintptr_t)(arrays + 2 * n),
				.n = (uint32_t)n,
				.flags = request->at_return ? MULTI_FLAG_RETURN : 0,
				.pid = request->pid == UPROBE_EVERYWHERE ? 0
									 : (uint32_t)request->pid,
			},
	};

	if (!arrays)
		return -ENOMEM;
	if (request->pid != UPROBE_EVERYWHERE && !first_thread_lives(request->pid))
		return -ESRCH;
	name_file(request->file, path);
	spread(request, arrays, arrays + n, arrays + 2 * n);
	return create_link(&link);
}
