"""Runs the stand-in of Stripe on a free port until it is ended. The first line that it prints is the address of an
account of its own, with nothing in it."""

import socket

import uvicorn
from seahaven.http import app
from seahaven_stripe_world import world
from seahaven_stripe_world.http_api import handle


def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/worlds/reckoner", flush=True)
    config = uvicorn.Config(app(world, handle), log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


main()
