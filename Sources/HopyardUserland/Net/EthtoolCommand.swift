import HopyardSimulator

/// `ethtool`: settings that the model does not have are there to be switched off.
enum EthtoolCommand {
  private static let features: Set<String> = [
    "rx", "tx", "sg", "tso", "ufo", "gso", "gro", "lro", "rxvlan", "txvlan", "ntuple", "rxhash",
    "rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload",
    "udp-fragmentation-offload", "generic-segmentation-offload", "generic-receive-offload",
    "large-receive-offload", "rx-vlan-offload", "tx-vlan-offload", "receive-hashing",
    "tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-udp-segmentation", "rx-gro-list",
    "rx-udp-gro-forwarding", "tx-gso-partial", "tx-tcp-segmentation", "tx-tcp6-segmentation",
    "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-checksum-sctp",
    "tx-nocache-copy", "hw-tc-offload", "tx-checksum-ipv6", "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation", "tx-sctp-segmentation", "tx-gso-list",
  ]

  static let command = Command(
    "ethtool",
    check: { check in
      guard let first = check.texts.first, let option = first else { return }
      guard ["-K", "--features", "--offload", "-i", "--driver"].contains(option) else {
        if check.texts.count > 0 {
          check.report(0, "ethtool \(option) is not modelled")
        }
        return
      }
      if option == "-i" || option == "--driver" { return }
      for (index, text) in check.texts.enumerated() where index > 2 && index % 2 == 1 {
        if text == "on" { check.report(index, "switching offloads on is not modelled") }
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      guard arguments.count > 1 else {
        try await process.printError(
          "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n"
        )
        return 1
      }
      guard let device = process.namespace.devices[arguments[1]] else {
        try await process.printError(
          "netlink error: no device matches name (offset 24)\nnetlink error: No such device\n"
        )
        return 92
      }
      if arguments[0] == "-i" || arguments[0] == "--driver" {
        try await process.print(
          "driver: \(device.kind.isEmpty ? device.name : device.kind)\nversion: 1.0\n"
            + "firmware-version: \nexpansion-rom-version: \nbus-info: \n"
            + "supports-statistics: yes\nsupports-test: no\nsupports-eeprom-access: no\n"
            + "supports-register-dump: no\nsupports-priv-flags: no\n"
        )
        return 0
      }
      var words = arguments.dropFirst(2)
      guard words.count > 1 else {
        try await process.printError(
          "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n"
        )
        return 1
      }
      while let name = words.popFirst() {
        guard features.contains(name) else {
          try await process.printError(
            "netlink error: bit name not found (offset 52)\nnetlink error: Operation not supported\n"
          )
          return 92
        }
        guard let value = words.popFirst() else { break }
        if value == "on" { throw .refused("ethtool: switching offloads on is not modelled") }
      }
      return 0
    }
  )
}
