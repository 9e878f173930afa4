//! The server: accounts, devices, rights, commands, API, WebSocket, web UI.
