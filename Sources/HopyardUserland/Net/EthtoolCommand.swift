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
      guard let first = check.texts.first, let option = first, option.hasPrefix("-") else {
        return
      }
      if EthtoolReport.names[option] != nil || option == "--version" || option == "--help" {
        return
      }
      guard ["-K", "--features", "--offload"].contains(option) else {
        check.report(0, "ethtool \(option) is not modelled")
        return
      }
      for (index, text) in check.texts.enumerated() where index > 2 && index % 2 == 1 {
        if text == "on" { check.report(index, "switching offloads on is not modelled") }
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      if arguments.first == "--version" {
        try await process.print("ethtool version 6.1\n")
        return 0
      }
      let isPlain = arguments.count == 1 && arguments[0].hasPrefix("-") == false
      guard isPlain || arguments.count > 1 else {
        try await process.printError(
          "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n"
        )
        return 1
      }
      let report = isPlain ? EthtoolReport.settings : EthtoolReport.names[arguments[0]]
      let name = isPlain ? arguments[0] : arguments[1]
      guard let device = process.namespace.devices[name] else {
        let answer = EthtoolReport.missing(report)
        try await process.printError(answer.text)
        return answer.status
      }
      if let report {
        let answer = report.text(of: device)
        if answer.status == 0 {
          try await process.print(answer.text)
        } else {
          try await process.printError(answer.text)
        }
        return answer.status
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
