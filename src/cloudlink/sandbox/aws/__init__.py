"""The AWS half of the sandbox: moto's parsing, serializing and plain networking, with what links need written afresh.

``cloud.AwsCloud`` is the whole of it.
"""
