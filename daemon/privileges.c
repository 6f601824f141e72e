// SPDX-License-Identifier: MIT
#include "privileges.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector/uprobe_kernel.h"
#include "util/cleanup.h"

static const cap_value_t wanted[] = {
	CAP_BPF,
	CAP_PERFMON,
	CAP_SYS_PTRACE,
	CAP_DAC_READ_SEARCH,
	CAP_SYSLOG,
	CAP_CHECKPOINT_RESTORE,
};
static const cap_value_t wanted_by_root[] = {CAP_SETUID, CAP_SETGID, CAP_KILL};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define NICE (-10) /* as in profd.service */

/* Above this, Debian's kernel asks for CAP_SYS_ADMIN in perf_event_open(2). */
#define PARANOID_PERFMON 2

static int read_paranoid(void)
{
	int level;
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	/* Without the file assume the worst: CAP_SYS_ADMIN stays. */
	return f && fscanf(f, "%d", &level) == 1 ? level : INT_MAX;
}

static void raise_limit(__rlimit_resource_t resource)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (resource == RLIMIT_MEMLOCK && !setrlimit(resource, &limit))
		return;
	if (getrlimit(resource, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(resource, &limit);
}

/* Where sessions are scheduled as groups (sched(7), autogroup) a process ranks within its own only:
 * the whole of a session that is ours alone gets our rank. */
static void rank_session(void)
{
	_cleanup_fclose_ FILE *f = getsid(0) == getpid() ? fopen("/proc/self/autogroup", "we")
							 : NULL;

	errno = 0;
	int rank = getpriority(PRIO_PROCESS, 0);

	if (f && !errno)
		fprintf(f, "%d", rank);
}

/* A rank that is not the usual one was chosen by somebody. */
static void raise_priority(void)
{
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) == 0 && !errno)
		setpriority(PRIO_PROCESS, 0, NICE);
	rank_session();
}

void privileges_raise_limits(void)
{
	raise_limit(RLIMIT_MEMLOCK);
	raise_limit(RLIMIT_NOFILE);
	raise_priority();
}

void privileges_lower_priority(int nice)
{
	errno = 0;
	int now = getpriority(PRIO_PROCESS, 0);

	if (now < nice && !errno)
		setpriority(PRIO_PROCESS, 0, nice);
	rank_session();
}

/* A thread has capabilities of its own: it tries what there is without this one. */
static void *try_uprobes(void *userdata)
{
	bool *need_admin = userdata;
	const cap_value_t admin = CAP_SYS_ADMIN;
	struct uprobe_support support;
	struct uprobe_pmu pmu;
	cap_t caps = cap_get_proc();

	if (caps && !cap_set_flag(caps, CAP_EFFECTIVE, 1, &admin, CAP_CLEAR) &&
		!cap_set_proc(caps) && !uprobe_pmu_read(&pmu) && !uprobe_try(&pmu, &support))
		*need_admin = !support.multi && !support.events;
	cap_free(caps);
	return NULL;
}

static bool uprobes_need_admin(void)
{
	bool need_admin = false;
	pthread_t thread;

	if (!pthread_create(&thread, NULL, try_uprobes, &need_admin))
		pthread_join(thread, NULL);
	return need_admin;
}

static bool is_kept(const struct privileges *p, cap_value_t cap)
{
	for (size_t i = 0; i < LENGTH(wanted); i++) {
		if (wanted[i] == cap)
			return true;
	}
	for (size_t i = 0; !p->uid && i < LENGTH(wanted_by_root); i++) {
		if (wanted_by_root[i] == cap)
			return true;
	}
	return cap == CAP_SYS_ADMIN && (p->paranoid > PARANOID_PERFMON || p->for_uprobes);
}

/* The kernel lowers the ambient set by itself with the permitted and inheritable ones. */
static int drop_others(const struct privileges *p, cap_t caps)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (is_kept(p, cap))
			continue;
		/* Only with CAP_SETPCAP, which a service does not have; its unit sets the bounds.
		 */
		if (cap_get_bound(cap) == 1)
			(void)cap_drop_bound(cap);
		if (cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR) ||
			cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_CLEAR) ||
			cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, CAP_CLEAR))
			return -errno;
	}
	return cap_set_proc(caps) ? -errno : 0;
}

static bool has(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t set;
	return !cap_get_flag(caps, cap, CAP_EFFECTIVE, &set) && set == CAP_SET;
}

static void append_name(char *list, size_t size, cap_value_t cap)
{
	size_t used = strlen(list);
	char *name = cap_to_name(cap);

	if (name)
		snprintf(list + used, size - used, "%s%s", used ? " " : "", name);
	cap_free(name);
}

static void describe(struct privileges *p, cap_t caps)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (has(caps, cap))
			append_name(p->effective, sizeof(p->effective), cap);
	}
	for (size_t i = 0; i < LENGTH(wanted); i++) {
		if (!has(caps, wanted[i]))
			append_name(p->missing, sizeof(p->missing), wanted[i]);
	}
	p->sys_admin = has(caps, CAP_SYS_ADMIN);
}

int privileges_reduce(struct privileges *p)
{
	*p = (struct privileges){.uid = geteuid(), .paranoid = read_paranoid()};
	p->for_uprobes = p->paranoid <= PARANOID_PERFMON && uprobes_need_admin();
	cap_t caps = cap_get_proc();
	if (!caps)
		return -errno;
	int err = drop_others(p, caps);
	if (!err)
		describe(p, caps);
	cap_free(caps);
	return err;
}

bool privileges_suffice(const struct privileges *p, char *why, size_t why_size)
{
	if (p->sys_admin || (!strstr(p->missing, "cap_bpf") && !strstr(p->missing, "cap_perfmon")))
		return true;
	snprintf(why, why_size, "profd lacks %s: start it as root, or with systemctl start profd",
		p->missing);
	return false;
}

static cJSON *name_array(const char *list)
{
	cJSON *array = cJSON_CreateArray();
	char name[32];

	while (array && *list) {
		size_t n = strcspn(list, " ");
		snprintf(name, sizeof(name), "%.*s", (int)n, list);
		cJSON_AddItemToArray(array, cJSON_CreateString(name));
		list += n + (list[n] == ' ');
	}
	return array;
}

cJSON *privileges_status(const struct privileges *p)
{
	char sys_admin[96] = "not held";
	cJSON *status = cJSON_CreateObject();

	if (p->sys_admin && p->paranoid == INT_MAX)
		snprintf(sys_admin, sizeof(sys_admin),
			"kept: kernel.perf_event_paranoid cannot be read");
	else if (p->sys_admin && p->for_uprobes)
		snprintf(sys_admin, sizeof(sys_admin),
			"kept: this kernel attaches uprobes for nobody else");
	else if (p->sys_admin)
		snprintf(sys_admin, sizeof(sys_admin), "kept: kernel.perf_event_paranoid is %d",
			p->paranoid);
	if (!status || !cJSON_AddNumberToObject(status, "uid", p->uid) ||
		!cJSON_AddItemToObject(status, "capabilities", name_array(p->effective)) ||
		!cJSON_AddItemToObject(status, "missing", name_array(p->missing)) ||
		!cJSON_AddStringToObject(status, "sys_admin", sys_admin)) {
		cJSON_Delete(status);
		return NULL;
	}
	return status;
}
