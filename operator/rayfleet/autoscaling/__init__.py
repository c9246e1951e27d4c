"""How large each group should be for the queue there is. Pure: values in, values out."""
