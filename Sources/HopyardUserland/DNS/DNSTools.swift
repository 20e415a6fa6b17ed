extension CommandTable {
  /// Adds the commands that ask and answer name servers.
  public func addDNSTools() {
    add([
      DigCommand.command, DnsmasqCommand.command, GetentCommand.command, HostCommand.command,
      NslookupCommand.command,
    ])
  }
}
