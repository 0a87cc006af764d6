// Whoever imports TrellisClient needs the messages of its calls and the codes of its errors: one import brings them all.
// There is no other spelling for this than the underscored one.
@_exported public import RPC
@_exported public import TrellisAPI
