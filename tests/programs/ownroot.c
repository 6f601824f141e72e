// SPDX-License-Identifier: MIT
/*
 * ownroot PROGRAM ARG... - runs a copy of the statically linked PROGRAM as a container would: in
 * pid and mount namespaces of its own, below a root that nobody outside can see. Its path there
 * is /hidden.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

static int copy(const char *from_path, const char *to_path)
{
	int from = open(from_path, O_RDONLY | O_CLOEXEC);
	int to = open(to_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	while (from >= 0 && to >= 0 && sendfile(to, from, NULL, 1 << 20) > 0)
		;
	close(from);
	return close(to);
}

static int enter(const char *root, const char *program)
{
	char path[64];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("ownroot", root, "tmpfs", 0, "size=64m"))
		return -1;
	snprintf(path, sizeof(path), "%s/hidden", root);
	if (copy(program, path) || chdir(root) || syscall(SYS_pivot_root, ".", ".") ||
		umount2(".", MNT_DETACH) || chdir("/"))
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	char root[] = "/tmp/ownroot-XXXXXX";
	int status = 0;

	if (argc < 2 || !mkdtemp(root) || unshare(CLONE_NEWPID)) {
		perror("ownroot");
		return 1;
	}
	pid_t child = fork();
	if (!child) {
		if (enter(root, argv[1])) {
			perror("ownroot");
			_exit(1);
		}
		execv("/hidden", argv + 1);
		_exit(127);
	}
	waitpid(child, &status, 0);
	rmdir(root);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
