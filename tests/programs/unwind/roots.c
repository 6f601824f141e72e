// SPDX-License-Identifier: MIT
/* roots SECONDS - burns in a thread of pthread_create() and in a task of clone(). */
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "spin.h"

FRAME void thread_burn(void)
{
	spin(FOREVER);
}

FRAME void *thread_body(void *unused)
{
	thread_burn();
	STAY();
	return unused;
}

FRAME void task_burn(void)
{
	spin(FOREVER);
}

FRAME int task_body(void *unused)
{
	task_burn();
	STAY();
	return unused != NULL;
}

int main(int argc, char **argv)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	pthread_t thread;

	/* A thread of this process, of which the C library knows nothing. */
	if (pthread_create(&thread, NULL, thread_body, NULL) ||
		clone(task_body, stack + sizeof(stack),
			CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) < 0)
		return 1;
	begin(argc, argv);
	pthread_join(thread, NULL);
	return 0;
}
