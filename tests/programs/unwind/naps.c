// SPDX-License-Identifier: MIT
/*
 * naps SECONDS N - N processes, each an image of its own with 50 more executable mappings, that run
 * for a moment about once a second. "ready" is said when all are there.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "spin.h"

#define MAPPINGS 50
#define GAP	 65536

FRAME void nap_burn(void)
{
	spin(MS / 3);
}

static _Noreturn void be_one(const char *self, unsigned seed)
{
	int fd = open(self, O_RDONLY | O_CLOEXEC);
	uint64_t state = seed * 2654435761u + 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < MAPPINGS; i++) {
		char *room = mmap(NULL, GAP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		mmap(room, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	}
	(void)!write(STDOUT_FILENO, ".", 1);
	for (;;) {
		usleep((useconds_t)(next_random(&state) % 2000000));
		nap_burn();
		STAY();
	}
}

int main(int argc, char **argv)
{
	unsigned n = (unsigned)argument(argc, argv, 2, 2000);
	int told[2];

	if (argc > 3)
		be_one(argv[0], (unsigned)atoi(argv[3]));
	if (pipe(told))
		return 1;
	for (unsigned i = 0; i < n; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%u", i);
		if (fork() == 0) {
			dup2(told[1], STDOUT_FILENO);
			close(told[0]);
			close(told[1]);
			execl(argv[0], argv[0], "0", "0", number, (char *)NULL);
			_exit(127);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		char dot;

		if (read(told[0], &dot, 1) != 1)
			return 1;
	}
	begin(argc, argv);
	for (;;)
		pause();
}
