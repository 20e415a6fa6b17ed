import HopyardSimulator

/// Why ipset(8) stops.
enum IpsetFailure: Error {
  /// A wrong command line: told with a hint at the help, status 2.
  case parameter(String)
  /// What the library or the kernel says, status 1; in a restored file with the line.
  case session(String)
  /// The same without the line.
  case other(String)
  /// A name or number that is out of the question: silently, with this status.
  case silent(Int32)
  /// The model does not have it.
  case refused(String)

  /// What the kernel says about an operation.
  init(_ error: SetError) {
    switch error {
    case .noSuchSet: self = .session("The set with the given name does not exist")
    case .exists:
      self = .session("Set cannot be created: set with the same name already exists")
    case .busy:
      self = .session("Set cannot be destroyed: it is in use by a kernel component")
    case .referenced:
      self = .session("Set cannot be renamed: it is in use by another system")
    case .newNameExists:
      self = .session("Set cannot be renamed: a set with the new name already exists")
    case .noSecondSet: self = .session("Sets cannot be swapped: the second set does not exist")
    case .typeMismatch: self = .session("The sets cannot be swapped: their type does not match")
    case .alreadyAdded:
      self = .session("Element cannot be added to the set: it's already added")
    case .notAdded:
      self = .session("Element cannot be deleted from the set: it's not added")
    case .full: self = .session("Hash is full, cannot add more elements")
    case .nullElement:
      self = .session("Null-valued element, cannot be stored in a hash type of set")
    case .invalidPrefix:
      self = .session("The value of the CIDR parameter of the IP address is invalid")
    case .invalidNetmask: self = .session("The value of the netmask parameter is invalid")
    case .missingProtocol: self = .session("Protocol missing, but must be specified")
    case .rangeUnsupported:
      self = .session("Range is not supported in the \"net\" component of the element")
    case .wholeRange: self = .session("Invalid range, covers the whole address space")
    case .outOfRange: self = .session("Element is out of the range of the set")
    case .rangeSize:
      self = .session("The range you specified exceeds the size limit of the set type")
    case .rangeTooLarge:
      self = .session("The specified range is too large, split it up into smaller ranges")
    case .noTimeout:
      self = .session("Timeout cannot be used: set was created without timeout support")
    case .noCounters:
      self = .session(
        "Packet/byte counters cannot be used: set was created without counter support"
      )
    case .noComments:
      self = .session("Comment cannot be used: set was created without comment support")
    case .noPacketInformation:
      self = .session("Skbinfo mapping cannot be used: set was created without skbinfo support")
    case .noMember:
      self = .session("Set to be added/deleted/tested as element does not exist.")
    case .loop: self = .session("Sets with list:set type cannot be added to the set.")
    case .noReferenceSet:
      self = .session("The set to which you referred with 'before' or 'after' does not exist.")
    case .referenceNotAdded:
      self = .session(
        "The set to which you referred with 'before' or 'after' is not added to the set."
      )
    case .invalid: self = .session("Kernel error received: ipset protocol error")
    }
  }

  /// A word that ipset cannot read.
  static func syntax(_ text: String) -> IpsetFailure { .session("Syntax error: " + text) }
}
