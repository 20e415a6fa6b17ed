import HopyardSimulator
import HopyardWire

/// `ip link`.
enum IpLink {
  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try IpLinkShow.run(context, []) }
    var arguments = IpArguments(words, context, from: 1)
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if isVerb("add") { return try add(context, &arguments) }
    if isVerb("set") || isVerb("change") { return try set(context, &arguments) }
    if isVerb("replace") { throw .refused("ip link replace is not modelled") }
    if isVerb("delete") { return try delete(context, &arguments) }
    if isVerb("show") || isVerb("lst") || isVerb("list") {
      return try IpLinkShow.run(context, Array(words.dropFirst()))
    }
    if isVerb("xstats") || isVerb("afstats") || verb == "property" {
      throw .refused("ip link \(verb) is not modelled")
    }
    if isVerb("help") {
      context.printError(usage)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"ip link help\".\n")
    return 255
  }

  /// Finds what is not modelled before anything runs.
  static func check(_ words: [String?], _ options: IpOptions) -> (index: Int, message: String)? {
    for (index, word) in words.enumerated() where word == "type" {
      guard index + 1 < words.count, let kind = words[index + 1] else { return nil }
      if LinkKind.isRealButMissing(kind) {
        return (index + 1, "devices of type \(kind) are not modelled")
      }
      return nil
    }
    return nil
  }

  // MARK: Add

  private static func add(
    _ context: IpContext,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> Int32 {
    var request = LinkRequest()
    try request.read(&arguments, context, creating: true)
    guard let type = request.type else {
      context.printError("Not enough information: \"type\" argument is required\n")
      return 1
    }
    var link: NetworkDevice?
    if let name = request.link {
      guard let found = (request.linkNamespace ?? context.namespace).devices[name] else {
        return context.noDevice(name)
      }
      link = found
    }
    var target = context.namespace
    switch request.place {
    case .namespace(let namespace): target = namespace
    case .noProcess: return context.answer("No such process")
    case nil: break
    }
    if LinkKind.isRealButMissing(type) {
      throw .refused("devices of type \(type) are not modelled")
    }
    if let name = request.name ?? request.device, target.devices[name] != nil {
      return context.answer("File exists")
    }
    let made: NetworkDevice?
    do {
      made = try LinkKind.make(type, request, in: target, on: link, context)
    } catch {
      switch error {
      case .link(let error): return context.answer(error)
      case .exit(let exit): throw exit
      }
    }
    guard let made else { return context.answer("", message: "Unknown device type") }
    return try finish(made, request, context)
  }

  /// Flags and master of a new device.
  private static func finish(
    _ device: NetworkDevice,
    _ request: LinkRequest,
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    guard let namespace = device.namespace else { return 0 }
    do {
      try applyFlags(request, device, namespace)
      if case .device(let name) = request.master {
        guard let master = namespace.devices[name] else {
          throw IpArguments([], context).wrong(name, "Device does not exist\n")
        }
        try namespace.setLinkMaster(device, master)
      }
      return 0
    } catch let error as LinkError {
      return context.answer(error)
    } catch let exit as ProcessExit {
      throw exit
    } catch {
      return 2
    }
  }

  private static func applyFlags(
    _ request: LinkRequest,
    _ device: NetworkDevice,
    _ namespace: NetworkNamespace
  ) throws(LinkError) {
    if let on = request.arp { namespace.setLinkARP(device, on) }
    if let on = request.multicast { namespace.setLinkMulticast(device, on) }
    if let on = request.allMulticast { namespace.setLinkAllMulticast(device, on) }
    if let on = request.promiscuous { namespace.setLinkPromiscuous(device, on) }
    switch request.isUp {
    case true?: try namespace.setLinkUp(device)
    case false?: namespace.setLinkDown(device)
    case nil: break
    }
  }

  // MARK: Set

  private static func set(
    _ context: IpContext,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> Int32 {
    var request = LinkRequest()
    try request.read(&arguments, context, creating: false)
    if request.device == nil, let group = request.group {
      // Without a device the group is the one whose devices are changed.
      request.group = nil
      for device in context.namespace.devices.all where device.group == group {
        let status = try set(device, request, context)
        if status != 0 { return status }
      }
      return 0
    }
    guard let name = request.device else {
      context.printError("Not enough information: \"dev\" argument is required.\n")
      return 255
    }
    guard let device = context.namespace.devices[name] else { return context.noDevice(name) }
    return try set(device, request, context)
  }

  private static func set(
    _ device: NetworkDevice,
    _ request: LinkRequest,
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    if request.index != nil, request.place == nil {
      context.printError(
        "index can be used only when creating devices or when moving device to another netns.\n"
      )
      return 255
    }
    var master: NetworkDevice?
    if case .device(let name) = request.master {
      guard let found = context.namespace.devices[name] else {
        throw IpArguments([], context).wrong(name, "Device does not exist\n")
      }
      master = found
    }
    var namespace = context.namespace
    do {
      if let type = request.type {
        try LinkKind.change(type, request.typeArguments, device, context)
      }
      var name = request.name
      switch request.place {
      case .noProcess: return context.answer("No such process")
      case .namespace(let target):
        try namespace.moveLink(device, to: target, name: name)
        namespace = target
        name = nil
      case nil: break
      }
      if let mac = request.address { try namespace.setLinkMAC(device, mac) }
      if let mtu = request.mtu { try namespace.setLinkMTU(device, mtu) }
      if let group = request.group { namespace.setLinkGroup(device, group) }
      if let name { try namespace.setLinkName(device, name) }
      if let alias = request.alias { namespace.setLinkAlias(device, alias) }
      switch request.master {
      case nil: break
      case .some(.none): try namespace.setLinkMaster(device, nil)
      case .device: try namespace.setLinkMaster(device, master)
      }
      try applyFlags(request, device, namespace)
      if let length = request.queueLength { namespace.setLinkQueueLength(device, length) }
      return 0
    } catch let error as LinkError {
      return context.answer(error)
    } catch let error as LinkKind.Failure {
      switch error {
      case .link(let error): return context.answer(error)
      case .exit(let exit): throw exit
      }
    } catch let exit as ProcessExit {
      throw exit
    } catch {
      return 2
    }
  }

  // MARK: Delete

  private static func delete(
    _ context: IpContext,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> Int32 {
    var request = LinkRequest()
    try request.read(&arguments, context, creating: false)
    let namespace = context.namespace
    if request.device == nil, let group = request.group {
      let doomed = namespace.devices.all.filter { $0.group == group }
      if doomed.isEmpty { return context.answer("No such device") }
      for device in doomed where !device.isGone {
        try? namespace.removeLink(device)
      }
      return 0
    }
    guard let name = request.device else {
      context.printError("Not enough information: \"dev\" argument is required.\n")
      return 255
    }
    guard let device = namespace.devices[name] else { return context.noDevice(name) }
    if let type = request.type, type != device.kind {
      return context.answer("Operation not supported")
    }
    do {
      try namespace.removeLink(device)
      return 0
    } catch {
      return context.answer(error)
    }
  }
}

extension IpContext {
  /// Says what the kernel answered, and gives the exit status 2.
  func answer(_ error: LinkError) -> Int32 {
    answer(error.errno.description, message: error.message)
  }
}
