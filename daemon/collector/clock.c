// SPDX-License-Identifier: MIT
#include "collector/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "profd/abi.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define NS_PER_S 1000000000ULL

struct event {
	unsigned cpu;
	int fd;
};

struct clock {
	bool cycles, enabled;
	uint64_t period;
	int program; /* our own duplicate: for CPUs that come later */
	struct event *events;
	size_t count, capacity;
	struct clock_reading gone; /* of CPUs that went offline */
};

/* Cycles of a busy second, about: the highest frequency that cpufreq names, else what
 * /proc/cpuinfo says it runs at now, else a guess. Only the rate of samples depends on it. */
static uint64_t nominal_cycles_per_second(void)
{
	unsigned long long khz = 0;
	double mhz = 0;
	char line[256];

	_cleanup_fclose_ FILE *max = fopen(
		"/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "re");
	if (max && fscanf(max, "%llu", &khz) == 1 && khz > 0)
		return khz * 1000;
	_cleanup_fclose_ FILE *info = fopen("/proc/cpuinfo", "re");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "cpu MHz : %lf", &mhz) == 1 && mhz > 1)
			return (uint64_t)(mhz * 1e6);
	return 2500000000;
}

static uint64_t choose_period(const struct clock_config *config)
{
	uint64_t unit = config->cycles ? nominal_cycles_per_second() : NS_PER_S;
	uint64_t period = (unit + config->frequency / 2) / config->frequency;

	return (period & ~(uint64_t)PROFD_SLOT_MASK) | config->slot;
}

static int open_event(struct clock *clock, unsigned cpu)
{
	struct perf_event_attr attr = {
		.type = clock->cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = clock->cycles ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES
					: (uint64_t)PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = clock->period,
		.disabled = 1,
		/* Idle ticks do not run the program. Hardware stands still in idle anyway, and
		 * some of it refuses the flag. */
		.exclude_idle = !clock->cycles,
	};
	_cleanup_close_ int fd = -1;

	int r = grow(clock->events, clock->count, clock->capacity, 1);
	if (r < 0)
		return r;
	fd = cpus_open_event(&attr, cpu);
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, clock->program) < 0)
		return -errno;
	if (clock->enabled && ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	clock->events[clock->count++] = (struct event){.cpu = cpu, .fd = take_fd(fd)};
	return 0;
}

static uint64_t read_count(const struct event *event)
{
	uint64_t count;

	return read(event->fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void add_reading(struct clock_reading *sum, uint64_t count, uint64_t period)
{
	sum->count += count;
	sum->ticks += count / period;
}

struct clock_reading clock_read(const struct clock *clock)
{
	struct clock_reading sum = clock->gone;

	for (size_t i = 0; i < clock->count; i++)
		add_reading(&sum, read_count(&clock->events[i]), clock->period);
	return sum;
}

static bool has_event(const struct clock *clock, unsigned cpu)
{
	for (size_t i = 0; i < clock->count; i++)
		if (clock->events[i].cpu == cpu)
			return true;
	return false;
}

int clock_sync(struct clock *clock, const struct cpus *online)
{
	/* The kernel takes an event away from a CPU that goes and does not bring it back, but its
	 * count stays readable. */
	for (size_t i = 0; i < clock->count;) {
		struct event *event = &clock->events[i];
		if (cpus_has(online, event->cpu)) {
			i++;
			continue;
		}
		add_reading(&clock->gone, read_count(event), clock->period);
		close_fd(event->fd);
		*event = clock->events[--clock->count];
	}
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!cpus_has(online, cpu) || has_event(clock, cpu))
			continue;
		int r = open_event(clock, cpu);
		/* It went offline again meanwhile. */
		if (r < 0 && r != -ENODEV)
			return r;
	}
	return 0;
}

int clock_open(struct clock **out, const struct clock_config *config)
{
	struct cpus online;
	struct clock *clock = calloc(1, sizeof(*clock));
	if (!clock)
		return -ENOMEM;
	clock->cycles = config->cycles;
	clock->period = choose_period(config);
	clock->program = fcntl(config->program, F_DUPFD_CLOEXEC, 0);
	int r = clock->program < 0 ? -errno : cpus_online(&online);
	if (r == 0)
		r = clock_sync(clock, &online);
	if (r < 0) {
		clock_close(clock);
		return r;
	}
	*out = clock;
	return 0;
}

void clock_close(struct clock *clock)
{
	if (!clock)
		return;
	for (size_t i = 0; i < clock->count; i++)
		close_fd(clock->events[i].fd);
	close_fd(clock->program);
	free(clock->events);
	free(clock);
}

int clock_enable(struct clock *clock)
{
	for (size_t i = 0; i < clock->count; i++)
		if (ioctl(clock->events[i].fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
			return -errno;
	clock->enabled = true;
	return 0;
}

void clock_disable(struct clock *clock)
{
	/* Fails only for what is not a perf event. */
	for (size_t i = 0; i < clock->count; i++)
		ioctl(clock->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
	clock->enabled = false;
}

uint64_t clock_period(const struct clock *clock)
{
	return clock->period;
}

bool clock_is_cycles(const struct clock *clock)
{
	return clock->cycles;
}

int clock_cpu_times(struct cpu_times *out)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	_cleanup_fclose_ FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return -errno;
	if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
		    &iowait, &irq, &softirq) != 7)
		return -EIO;
	uint64_t unit = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	out->idle = (idle + iowait) * unit;
	out->busy = (user + nice + system + irq + softirq) * unit;
	return 0;
}
