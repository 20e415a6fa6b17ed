/// The names of well-known ports, as `/etc/services` has them.
enum ServiceNames {
  private static let common: [(name: String, port: UInt16)] = [
    ("tcpmux", 1), ("echo", 7), ("discard", 9), ("systat", 11), ("daytime", 13), ("netstat", 15),
    ("qotd", 17), ("chargen", 19), ("ftp-data", 20), ("ftp", 21), ("fsp", 21), ("ssh", 22),
    ("telnet", 23), ("smtp", 25), ("time", 37), ("whois", 43), ("tacacs", 49), ("domain", 53),
    ("bootps", 67), ("bootpc", 68), ("tftp", 69), ("gopher", 70), ("finger", 79), ("http", 80),
    ("kerberos", 88), ("pop3", 110), ("sunrpc", 111), ("auth", 113), ("nntp", 119), ("ntp", 123),
    ("epmap", 135), ("netbios-ns", 137), ("netbios-dgm", 138), ("netbios-ssn", 139),
    ("imap2", 143), ("snmp", 161), ("snmp-trap", 162), ("bgp", 179), ("irc", 194), ("ldap", 389),
    ("https", 443), ("microsoft-ds", 445), ("isakmp", 500), ("syslog", 514), ("shell", 514),
    ("printer", 515), ("route", 520), ("submissions", 465), ("submission", 587), ("ldaps", 636),
    ("domain-s", 853), ("rsync", 873), ("ftps", 990), ("telnets", 992), ("imaps", 993),
    ("pop3s", 995), ("socks", 1080), ("openvpn", 1194), ("ms-sql-s", 1433), ("radius", 1812),
    ("radius-acct", 1813), ("cisco-sccp", 2000), ("nfs", 2049), ("iscsi-target", 3260),
    ("mysql", 3306), ("svn", 3690), ("epmd", 4369), ("sip", 5060), ("sip-tls", 5061),
    ("xmpp-client", 5222), ("mdns", 5353), ("postgresql", 5432), ("amqp", 5672), ("x11", 6000),
    ("redis", 6379), ("ircd", 6667), ("http-alt", 8080), ("webmin", 10000), ("git", 9418),
    ("zabbix-agent", 10050),
  ]
  /// Ports that have a name with one of the two protocols only.
  private static let onlyTCP: Set<String> = [
    "tcpmux", "systat", "netstat", "qotd", "ftp-data", "ftp", "ssh", "telnet", "smtp", "whois",
    "gopher", "finger", "http", "pop3", "auth", "nntp", "epmap", "netbios-ssn", "imap2", "bgp",
    "irc", "shell", "printer", "submissions", "submission", "ldaps", "ftps", "telnets", "imaps",
    "pop3s", "socks", "iscsi-target", "mysql", "svn", "epmd", "sip-tls", "xmpp-client",
    "postgresql", "x11", "redis", "ircd", "http-alt", "webmin", "git", "zabbix-agent", "rsync",
    "microsoft-ds", "cisco-sccp",
  ]
  private static let onlyUDP: Set<String> = [
    "fsp", "bootps", "bootpc", "tftp", "ntp", "netbios-ns", "netbios-dgm", "isakmp", "syslog",
    "route", "mdns",
  ]

  /// The name of a port.
  static func name(_ port: UInt16, isUDP: Bool) -> String? {
    common.first { $0.port == port && !(isUDP ? onlyTCP : onlyUDP).contains($0.name) }?.name
  }

  /// The port of a name.
  static func port(_ name: String) -> UInt16? { common.first { $0.name == name }?.port }
}
