// SPDX-License-Identifier: MIT
#include "collector/bpf_explain.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector/bpf_host.h"
#include "collector/cpus.h"
#include "collector/uprobe_kernel.h"
#include "util/cleanup.h"
#include "util/log.h"

#define BTF_PATH       "/sys/kernel/btf/vmlinux"
#define LEAST_RET_HITS 2
#define MOST_RET_HITS  100

static char last_warning[256];

static int on_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[1024];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("%s", text);
	/* The first lines of a failure say most; a verifier log has thousands. */
	if (level == LIBBPF_WARN && !last_warning[0])
		snprintf(last_warning, sizeof(last_warning), "%.*s", (int)sizeof(last_warning) - 1,
			text);
	return 0;
}

void bpf_explain_listen(void)
{
	last_warning[0] = '\0';
	libbpf_set_print(on_print);
}

static bool has_capability(cap_value_t capability)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (!caps)
		return false;
	int r = cap_get_flag(caps, capability, CAP_EFFECTIVE, &value);
	cap_free(caps);
	return r == 0 && value == CAP_SET;
}

static int read_paranoid(void)
{
	int value = -1;
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");

	if (!f || fscanf(f, "%d", &value) != 1)
		return 2; /* the kernel's default */
	return value;
}

/* Opens the event on the first CPU that is online and closes it again. 0 or -errno. */
static int try_event(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {.type = type, .config = config, .disabled = 1};
	struct cpus online;
	unsigned cpu = 0;

	attr.sample_period = 1000000000;
	int r = cpus_online(&online);
	if (r < 0)
		return r;
	while (cpu < CPUS_MAX && !cpus_has(&online, cpu))
		cpu++;
	int fd = cpus_open_event(&attr, cpu);
	if (fd < 0)
		return fd;
	close_fd(fd);
	return 0;
}

static int check_capabilities(char *why, size_t why_size)
{
	bool admin = has_capability(CAP_SYS_ADMIN);
	bool bpf = admin || has_capability(CAP_BPF);
	bool perfmon = admin || has_capability(CAP_PERFMON);

	if (bpf && perfmon)
		return 0;
	snprintf(why, why_size,
		"missing %s%s%s: profiling the whole host needs it; run profd as root or start "
		"profd.service",
		bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ", perfmon ? "" : "CAP_PERFMON");
	return -EPERM;
}

static int check_perf(char *why, size_t why_size)
{
	int r = try_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);
	if (r == 0)
		return 0;
	int paranoid = read_paranoid();
	if ((r == -EACCES || r == -EPERM) && paranoid > 2 && !has_capability(CAP_SYS_ADMIN))
		snprintf(why, why_size,
			"kernel.perf_event_paranoid is %d, which asks for CAP_SYS_ADMIN: run "
			"'sysctl "
			"kernel.perf_event_paranoid=2' or grant CAP_SYS_ADMIN to profd",
			paranoid);
	else if (r == -ENOSYS || r == -ENOENT)
		snprintf(why, why_size,
			"this kernel has no perf events (CONFIG_PERF_EVENTS): profd cannot work "
			"here");
	else
		snprintf(why, why_size,
			"perf_event_open is refused (%s): a container or a security module may "
			"forbid "
			"it; allow perf_event_open and bpf for profd",
			strerror(-r));
	return r;
}

int bpf_explain_requirements(char *why, size_t why_size)
{
	int r = check_capabilities(why, why_size);
	if (r < 0)
		return r;
	if (access(BTF_PATH, R_OK) < 0) {
		r = -errno;
		snprintf(why, why_size,
			"%s cannot be read (%s): profd needs a kernel with CONFIG_DEBUG_INFO_BTF "
			"(Linux 5.10 or newer) and sysfs on /sys",
			BTF_PATH, strerror(-r));
		return r;
	}
	return check_perf(why, why_size);
}

struct uprobe_trial {
	struct uprobe_pmu pmu;
	struct uprobe_support support;
	int error;
};

static void *try_uprobes(void *userdata)
{
	struct uprobe_trial *trial = userdata;

	trial->error = uprobe_try(&trial->pmu, &trial->support);
	return NULL;
}

/* A single step is a second trap, at least: where the host of a virtual machine has a part in it,
 * it costs many times as much. */
static unsigned count_hits(const struct uprobe_support *support)
{
	uint64_t hits;

	if (!support->trap_ns || !support->step_ns)
		return LEAST_RET_HITS;
	hits = (support->step_ns + support->trap_ns / 2) / support->trap_ns;
	return hits < LEAST_RET_HITS  ? LEAST_RET_HITS
	       : hits < MOST_RET_HITS ? (unsigned)hits
				      : MOST_RET_HITS;
}

/* In a thread, since not being the first is what is to be tried. */
static void find_uprobes(struct bpf_features *f)
{
	struct uprobe_trial trial = {.error = -EAGAIN};
	pthread_t thread;

	if (uprobe_pmu_read(&trial.pmu) == 0 &&
		pthread_create(&thread, NULL, try_uprobes, &trial) == 0)
		pthread_join(thread, NULL);
	if (trial.error)
		trial.support = (struct uprobe_support){0};
	f->uprobe_ns = trial.support.trap_ns;
	f->ret_hits = count_hits(&trial.support);
	f->uprobe_way = !trial.support.multi	? UPROBE_PERF
			: trial.support.session ? UPROBE_SESSION
						: UPROBE_MULTI;
}

void bpf_explain_features(struct bpf_features *f)
{
	f->task_btf = libbpf_probe_bpf_helper(
			      BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_get_current_task_btf, NULL) == 1;
	f->task_pt_regs = libbpf_probe_bpf_helper(
				  BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_task_pt_regs, NULL) == 1;
	find_uprobes(f);
	f->cookies = libbpf_probe_bpf_helper(
			     BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) == 1;
	f->hardware_clock = try_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES) == 0;
	f->perf_event_paranoid = read_paranoid();
	/* Probing fails by design: its warnings explain nothing. */
	last_warning[0] = '\0';
}

void bpf_explain_failure(const char *step, int error, char *why, size_t why_size)
{
	struct rlimit limit = {};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if ((error == -EPERM || error == -ENOMEM) && limit.rlim_cur != RLIM_INFINITY &&
		!has_capability(CAP_SYS_RESOURCE)) {
		snprintf(why, why_size,
			"cannot %s: %s; before Linux 5.11 BPF maps count as locked memory, of "
			"which "
			"%llu KiB are allowed: set LimitMEMLOCK=infinity in the unit, or 'ulimit "
			"-l "
			"unlimited'",
			step, strerror(-error), (unsigned long long)limit.rlim_cur / 1024);
		return;
	}
	snprintf(why, why_size, "cannot %s: %s%s%s%s; profd needs Linux 5.10 or newer with BPF",
		step, strerror(-error), last_warning[0] ? " (" : "", last_warning,
		last_warning[0] ? ")" : "");
}
