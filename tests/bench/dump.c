/* The least that counting TCP sockets by state can cost: one walk by sock_diag, a counter for each state. */
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void)
{
	static char buffer[65536] __attribute__((aligned(8)));
	struct {
		struct nlmsghdr header;
		struct inet_diag_req body;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = TCPDIAG_GETSOCK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = { .idiag_states = 0xffe },
	};
	unsigned long counts[16] = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
		return 1;
	for (;;) {
		ssize_t length = recv(fd, buffer, sizeof(buffer), 0);
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;

		if (length <= 0)
			return 1;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_ERROR)
				return 1;
			if (message->nlmsg_type == NLMSG_DONE)
				goto done;
			counts[((struct inet_diag_msg *)NLMSG_DATA(message))->idiag_state & 15]++;
		}
	}
done:
	for (int state = 1; state < 12; state++)
		printf("%lu ", counts[state]);
	putchar('\n');
	return 0;
}
