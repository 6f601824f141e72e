// SPDX-License-Identifier: MIT
/*
 * strict N - waits for a line, then allocates and frees 1,000 bytes N times, 100 in a millisecond
 * or less, below a seccomp filter that kills it for any system call but those that this needs.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define ALLOW(name)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void be_strict(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(clock_nanosleep),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

__attribute__((noipa)) static void churn(void)
{
	void *pointer = malloc(1000);

	HIDE(pointer);
	free(pointer);
}

int main(int argc, char **argv)
{
	uint64_t n = (uint64_t)argument(argc, argv, 1, 1000);
	char line;

	ready();
	be_strict();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	for (uint64_t i = 0; i < n; i++) {
		churn();
		if (i % 100 == 0)
			usleep(1000);
	}
	printf("churned %llu\n", (unsigned long long)n);
	return 0;
}
