import HopyardSimulator

/// `ip link show`.
enum IpLinkShow {
  /// Which devices are shown.
  struct Filter {
    var device: String?
    var isUp = false
    var master: NetworkDevice?
    var withoutMaster = false
    var kind: String?
    var group: UInt32?

    func matches(_ shown: NetworkDevice) -> Bool {
      if isUp && !shown.isUp { return false }
      if let master, shown.master !== master { return false }
      if withoutMaster && shown.master != nil { return false }
      if let group, shown.group != group { return false }
      guard let kind else { return true }
      if kind == "bridge_slave" { return shown.bridgePort != nil }
      return shown.kind == kind
    }
  }

  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var filter = Filter()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      switch word {
      case "up": filter.isUp = true
      case "nomaster": filter.withoutMaster = true
      case "master":
        let name = try arguments.value()
        guard let master = context.namespace.devices[name] else {
          throw arguments.wrong(name, "Device does not exist\n")
        }
        filter.master = master
      case "group":
        let text = try arguments.value()
        guard let group = LinkRequest.group(text) else {
          throw arguments.wrong(text, "Invalid \"group\" value\n")
        }
        filter.group = group
      case "type": filter.kind = try arguments.value()
      case "vrf":
        let name = try arguments.value()
        throw arguments.wrong(name, "Not a valid VRF name\n")
      case "help":
        context.printError(IpLink.usage)
        return 255
      default:
        let name = word == "dev" ? try arguments.value() : word
        if filter.device != nil { throw arguments.garbage("dev", name) }
        filter.device = name
      }
    }
    var devices = context.namespace.devices.all
    if let name = filter.device {
      guard let device = context.namespace.devices[name] else {
        context.printError("Device \"\(name)\" does not exist.\n")
        return 1
      }
      devices = [device]
    }
    let printer = LinkPrinter(
      namespace: context.namespace,
      options: context.options,
      isLink: true
    )
    var output = context.makeOutput()
    for device in devices where filter.matches(device) {
      output.openObject()
      if context.options.isBrief {
        printer.printBrief(device, &output)
      } else {
        printer.print(device, &output)
      }
      output.text("\n")
      output.closeObject()
    }
    context.print(output)
    return 0
  }
}
